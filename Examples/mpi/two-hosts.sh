#!/bin/sh
# Two hosts on one machine: an evaluation by processes of mpirun in two network namespaces, which share nothing but a
# virtual cable. Needs root, iproute2 and openmpi-bin.
#
#   Examples/mpi/two-hosts.sh dsd eval graph.pb --items items.jsonl --results results.sqlite
#
# On real machines a host file and ssh take the place of all this: mpirun --host anna,berta dsd eval …
set -eu
name=dsd$$
agent=$(mktemp)
finish() {
  for host in 1 2; do ip netns del "$name-$host" 2>/dev/null || true; done
  rm -f "$agent"
}
trap finish EXIT INT TERM

for host in 1 2; do
  ip netns add "$name-$host"
  ip -n "$name-$host" link set lo up
done
ip link add "veth-1" netns "$name-1" type veth peer name "veth-2" netns "$name-2"
for host in 1 2; do
  ip -n "$name-$host" addr add "10.77.0.$host/24" dev "veth-$host"
  ip -n "$name-$host" link set "veth-$host" up
done

# What mpirun starts its daemon on a host with, instead of ssh: HOST COMMAND…
cat > "$agent" <<EOF
#!/bin/sh
host=\${1##*.}
shift
exec ip netns exec "$name-\$host" sh -c "\$*"
EOF
chmod +x "$agent"

# The messages of the processes go over the cable, not through shared memory.
ip netns exec "$name-1" env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun \
  --mca plm_rsh_agent "$agent" --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
  --mca oob_tcp_if_include 10.77.0.0/24 --host 10.77.0.1:1,10.77.0.2:1 -n 2 --bind-to none "$@"
