# Holds the network namespaces of a virtual air until standard input ends, which it also does when
# the program that made the air is killed. Then it kills every process that is still in one.
# Each line of standard input is the path of a namespace; the answer is a line, too.
trap '' HUP INT TERM
held=()
while read -r path; do
    if exec {namespace}<"$path"; then
        held+=("/proc/$$/fd/$namespace")
        echo held
    else
        echo failed
    fi
done
# Again while there are any: a process may have forked in between.
for _ in {1..100}; do
    found=
    for process in /proc/[0-9]*; do
        for namespace in "${held[@]}"; do
            if [[ $process/ns/net -ef $namespace ]]; then
                kill -KILL "${process#/proc/}" 2>/dev/null
                found=yes
            fi
        done
    done
    [[ $found ]] || break
done
