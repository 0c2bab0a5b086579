"""One HTML file that shows a run: ``hpcepm report RUNDIR``.

`content` says in plain numbers and words what is on the page, `page` puts that into the template,
and `watch` does it again as long as a run is at work. What is drawn is drawn by the page itself:
its scripts lie beside it, are plain JavaScript, and put text nowhere but where text belongs.
"""
