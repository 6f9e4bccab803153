# Starts systemd as the first process of namespaces of its own. To be run by "unshare" (see machine.rs), as root.
#
# boot.sh FOLDER [SYSTEM]
#
# Its root is SYSTEM, by default that of this machine; what it changes is kept in memory, at FOLDER, and is gone with it.
# It has its own processes, network (only the loopback interface), host name and cgroups.
set -eu
folder=$1 system=${2:-/}
mount -t tmpfs -o mode=755 tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay overlay -o "lowerdir=$system,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
cd "$folder/root"
# Nothing of this machine is started there, and none of its file systems is mounted: only what the test starts.
rm -rf usr/lib/systemd/system/*.wants usr/lib/systemd/system-generators etc/systemd/system etc/fstab
mkdir etc/systemd/system
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p run/systemd/system old
printf '[Unit]\nDescription=Nothing but the test\n' >run/systemd/system/test.target
pivot_root . old
umount -l old
# As systemd expects it of what has started it in a container: it mounts credentials in a namespace of its own.
mount --make-rshared /
exec env -i container=tlsgate-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=test.target --log-target=null --show-status=no
