# Read by every template here: what is the same on this cluster for all jobs. Edit this file first.

# module load python openmpi fftw     # the modules that tools/setup was run with
launch=(srun --mpi=pmix) # starts the ranks; `srun --mpi=list` shows what else there is
root=$(cd "$here/.." && pwd) # the folder of hpcepm
python=$root/.venv/bin/python
export OMP_NUM_THREADS=1 # else each rank starts a thread per core
# export NUMBA_CACHE_DIR=$TMPDIR # compiled code on the node's own disk: where /home is slow, or not there on nodes
# node_disk=$TMPDIR # from some hundred ranks on: one of them reads packages and compiled code, and each node gets copies on its disk

# From here on nothing needs to be edited.

STOPPED=75 # hpcepm's exit code for: stopped before the target, with a checkpoint

if [ ! -x "$python" ] || [ $# = 0 ]; then
    echo "run $root/tools/setup first, and name an input: … jobs/NAME.sh INPUT [options]" >&2
    exit 2
fi

# Run to the target or until asked to stop, from the newest checkpoint if there is one. Returns hpcepm's exit code.
# Sets $directory, where the results are, $advanced: whether there is a newer checkpoint than before, and $cancelled: whether the
# job, and not just this part, is to end.
hpcepm() { # hpcepm INPUT [options]
    local before ranks code=0
    if [ -z "${SLURM_JOB_ID:-}${PBS_JOBID:-}" ]; then
        echo "$0 is for a cluster, which starts it: sbatch $0 $*" >&2
        echo "On this machine: tools/run $*" >&2
        return 2
    fi
    if ! command -v "${launch[0]}" >/dev/null; then
        echo "there is no ${launch[0]} on this node; name another launcher, or its module, in jobs/common.sh" >&2
        return 2
    fi
    cancelled=false
    directory=$("$python" "$root/jobs/run_directory.py" "$@")
    before=$(newest_checkpoint)
    local program=(-m hpcepm)
    if [ -n "${node_disk:-}" ]; then program=("$root/jobs/from_copies.py" "$node_disk"); fi
    "${launch[@]}" "$python" "${program[@]}" "$@" --continue &
    ranks=$!
    # SLURM's B: signals reach this shell only. In the background, because bash heeds a signal only between commands. All are passed
    # on as USR1, which launchers hand to the ranks: at TERM or INT, mpiexec would kill them after two seconds.
    trap 'kill -USR1 "$ranks" 2>/dev/null || true' USR1 USR2 XCPU
    trap 'cancelled=true; kill -USR1 "$ranks" 2>/dev/null || true' TERM INT HUP
    while kill -0 "$ranks" 2>/dev/null; do wait "$ranks" || true; done # a signal ends a wait early
    wait "$ranks" || code=$?
    trap '' USR1 USR2 TERM INT HUP XCPU

    advanced=true # or, of a point of a sweep, perhaps finished before
    if [ "$(newest_checkpoint)" = "$before" ]; then advanced=false; fi
    if [ "$code" = 0 ] && ! $advanced && [ "$1" != sweep ]; then # srun has been seen to return 0 where it could not start the ranks
        echo "${launch[0]} reports no error, but nothing was written in $directory: the ranks did not run" >&2
        code=1
    fi
    return "$code"
}

newest_checkpoint() { # its name
    local names=("$directory"/checkpoints/[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9].h5)
    echo "${names[-1]}"
}

stop_asked() { [ -e "$directory/STOP" ] || [ -L "$directory/STOP" ]; }

# Run one part of a chain, and start the next if there is more to do. Returns 0 at the target or if the chain goes on. A part that failed,
# as ranks do that hang (stall in the input), is gone on from too, as long as each part gets further than the one before.
part() { # part COMMAND INPUT [options]: COMMAND starts the next part
    local next=$1 code=0
    shift
    if [ "${SLURM_RESTART_COUNT:-0}" != 0 ]; then # the job has waited, and so may a STOP
        directory=$("$python" "$root/jobs/run_directory.py" "$@")
        if stop_asked; then
            echo "the chain ended while it waited, as $directory/STOP asks; submit again to go on" >&2
            return "$STOPPED"
        fi
    fi
    hpcepm "$@" || code=$?
    case "$code" in
        "$STOPPED") ;;
        1 | 205 | 255) if ! $advanced; then return "$code"; fi ;; # 205, 255: Open MPI's mpiexec lost another machine
        *) return "$code" ;;
    esac

    if stop_asked; then
        echo "the chain ends here, as $directory/STOP asks; submit again to go on" >&2
    elif $cancelled; then
        echo "the chain ends here, for the job was cancelled; submit again to go on" >&2
    elif ! $advanced; then
        echo "the chain ends here: this part wrote no checkpoint in $directory, so the next would do no better" >&2
    else
        if [ "$code" != "$STOPPED" ]; then echo "this part failed, after a checkpoint: the next goes on from that" >&2; fi
        "$next" && return
        echo "the chain ends here: the next part could not be started; submit again to go on" >&2
    fi
    return "$code"
}

requeue() { # start this job again, under the same number
    scontrol requeue "$SLURM_JOB_ID"
}
