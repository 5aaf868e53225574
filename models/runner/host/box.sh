#!/bin/sh
# A box without bubblewrap, as the first process of the namespaces that unshare made. Needs util-linux only.
# $1 uid to take (empty: not root outside), $2 size of /tmp, $3 of /dev/shm, $4 host folder, $5 packages, $6 code,
# more folders to show at their own paths, --, the command
set -e
uid=$1 tmp=$2 shm=$3 host=$4 packages=$5 code=$6
shift 6
root=/mnt
ro=remount,bind,ro,nosuid,nodev
mount --make-rprivate /
mount -t tmpfs -o size=4m,nr_inodes=4k,mode=755 box $root
cd $root
mkdir -p usr almanac/host almanac/packages almanac/code tmp proc dev old etc
for d in bin lib lib64 sbin; do [ ! -L /$d ] || ln -s "$(readlink /$d)" $d; done
mount --rbind /usr usr && mount -o $ro usr
for d in host packages code; do
  eval "from=\$$d"
  mount --bind "$from" almanac/$d && mount -o $ro almanac/$d
done
mount -t tmpfs -o size=$tmp,nr_inodes=16k,nosuid,nodev,mode=1777 tmp tmp
while [ "$1" != -- ]; do
  mkdir -p "$root$1"
  mount --bind "$1" "$root$1" && mount -o $ro "$root$1"
  shift
done
shift
mount -t proc -o nosuid,nodev,noexec proc proc && mount -o $ro,noexec proc
mount -t tmpfs -o size=1m,nr_inodes=64,mode=755 dev dev
for d in null zero full random urandom; do : > dev/$d; mount --bind /dev/$d dev/$d; done
mkdir dev/shm
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o size=$shm,nr_inodes=4k,nosuid,nodev,mode=1777 shm dev/shm
mount -o remount,bind,ro,nosuid dev
pivot_root . old
umount -l /old
mount -o remount,bind,ro /
cd /tmp
unset OLDPWD
[ -z "$uid" ] || ids="--reuid $uid --regid $uid --clear-groups"
# setuid clears the parent-death signal of unshare --kill-child: without --pdeathsig here the host would outlive its parent.
exec setpriv ${ids:-} --pdeathsig KILL --inh-caps=-all --bounding-set=-all --no-new-privs -- "$@"
