# SPDX-License-Identifier: MIT
# large: qemu-system-x86 qemu-utils cpio; a kernel in /boot, by hand (linux-image-cloud-amd64)
# needs: qemu-system-x86_64 qemu-img qemu-io cpio gcc
# timeout: 180
# setup: yes
# expect: stack-switch libc.so.6 *
# expect: never-called qemu-system-x86_64 *
# may: unwind libc.so.6 *
# may: * qemu-* *
# may: * (generated) -
# QEMU: TCG runs a Linux kernel until it powers off; coroutines do block jobs and asynchronous I/O.
set -eu
k=$(ls /boot/vmlinuz-* 2>/dev/null | tail -1)
if [ "${1-}" = setup ]; then
	[ -r "$k" ] || { echo "no kernel in /boot"; exit 77; }
	cat >init.c <<-'END'
	#include <stdio.h>
	#include <sys/reboot.h>
	#include <sys/utsname.h>
	#include <sys/wait.h>
	#include <unistd.h>
	int main(void)
	{
		struct utsname u;
		int sum = 0, status;

		uname(&u);
		for (int i = 0; i < 20; i++) {
			if (!fork())
				_exit(i);
			wait(&status);
			sum += WEXITSTATUS(status);
		}
		printf("%s %s: %d\n", u.sysname, u.machine, sum);
		fflush(stdout);
		reboot(RB_POWER_OFF);
	}
	END
	gcc -O1 -static init.c -o init
	echo init | cpio -o -H newc 2>/dev/null | gzip >initrd
	exit 0
fi
qemu-img create -q -f qcow2 a.qcow2 64M
qemu-io -c "write -P 1 0 1M" -c "aio_write -P 2 4M 2M" -c "aio_flush" -c "read -P 2 5M 64k" a.qcow2 | sed 's/ in .*//; s/; .*//' | grep -E "wrote|read"
qemu-img snapshot -c s a.qcow2
qemu-img create -q -f qcow2 -F qcow2 -b a.qcow2 b.qcow2
qemu-io -c "write -P 3 1M 1M" -c "discard 0 64k" b.qcow2 | sed 's/ in .*//; s/; .*//' | grep -E "wrote|discard"
qemu-img commit -q b.qcow2
qemu-img convert -W -m 8 -O raw a.qcow2 c.raw && md5sum <c.raw
qemu-img compare a.qcow2 c.raw
qemu-img convert -c -O qcow2 c.raw d.qcow2 && qemu-img compare -q d.qcow2 c.raw && echo same
qemu-img check d.qcow2 | head -1
qemu-system-x86_64 -accel tcg,thread=multi -smp 2 -m 256 -nodefaults -display none -serial stdio -no-reboot -kernel "$k" \
	-initrd "$SETUP/initrd" -append "console=ttyS0 quiet loglevel=0 panic=-1" -drive if=virtio,file=d.qcow2,format=qcow2 </dev/null | tr -d '\r' | grep -a -o "Linux.*"
