#!/bin/sh
# A box without bubblewrap, as the first process of the namespaces that unshare made. Needs util-linux only.
# $1 host folder, $2 packages, $3 code, $4 uid to take (empty: not root outside), rest: the command
set -e
host=$1 packages=$2 code=$3 uid=$4
shift 4
root=/mnt
ro=remount,bind,ro,nosuid,nodev
mount --make-rprivate /
mount -t tmpfs -o size=4m,mode=755 box $root
cd $root
mkdir -p usr almanac/host almanac/packages almanac/code tmp proc dev old etc
for d in bin lib lib64 sbin; do [ ! -L /$d ] || ln -s "$(readlink /$d)" $d; done
mount --rbind /usr usr && mount -o $ro usr
for d in host packages code; do
  eval "from=\$$d"
  mount --bind "$from" almanac/$d && mount -o $ro almanac/$d
done
mount -t tmpfs -o size=64m,nosuid,nodev,mode=1777 tmp tmp
mount -t proc -o nosuid,nodev,noexec proc proc
for d in sys irq bus; do [ ! -e proc/$d ] || { mount --bind proc/$d proc/$d && mount -o $ro,noexec proc/$d; }; done
mount -t tmpfs -o size=1m,mode=755 dev dev
for d in null zero urandom random; do : > dev/$d; mount --bind /dev/$d dev/$d; done
pivot_root . old
umount -l /old
mount -o remount,bind,ro /
cd /tmp
[ -z "$uid" ] || ids="--reuid $uid --regid $uid --clear-groups"
# setuid clears the parent-death signal of unshare --kill-child: without --pdeathsig here the host would outlive its parent.
exec setpriv ${ids:-} --pdeathsig KILL --inh-caps=-all --bounding-set=-all --no-new-privs -- "$@"
