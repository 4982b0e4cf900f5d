/* SPDX-License-Identifier: MIT */
/*
 * Says what the C library decided on the shadow stack: STATUS, the C library's own note of it, and whether the kernel would
 * let go of it (LOCK or not). With arguments: `thread` starts and joins one, a path is opened by dlopen; then it says so again.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

static void *nothing(void *arg)
{
	return arg;
}

static void state(void)
{
	unsigned long status = 0, feature = 0, locked = 0;
	char line[256];
	FILE *f = fopen("/proc/thread-self/status", "r");

	syscall(SYS_arch_prctl, 0x5005, &status);
	__asm__("mov %%fs:0x48, %0" : "=r"(feature));
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "x86_Thread_features_locked:", 27))
			locked = strstr(line, "shstk") != NULL;
	if (f)
		fclose(f);
	printf("status %lu noted %lu locked %lu\n", status, feature >> 1 & 1, locked);
}

int main(int argc, char **argv)
{
	state();
	for (int i = 1; i < argc; i++) {
		pthread_t t;

		if (!strcmp(argv[i], "thread")) {
			pthread_create(&t, NULL, nothing, NULL);
			pthread_join(t, NULL);
		} else if (dlopen(argv[i], RTLD_NOW)) {
			printf("loaded\n");
		} else {
			printf("%s\n", strstr(dlerror(), "rebuild shared object with SHSTK") ? "refused" : "failed");
		}
		state();
	}
	return 0;
}
