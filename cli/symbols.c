/* SPDX-License-Identifier: MIT */
/*
 * From (path, file offset) to symbol and source line. One libdwfl session for each file, kept for the life of
 * the command.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dwlib.h"
#include "report.h"

#define LOADS 16
#define NAMES 4 /* demangled ones that stay valid: a line may hold two */

struct module {
	struct module *next;
	char *path;
	const char *name;
	bool usable;       /* an ELF file whose segments are known */
	bool tried;        /* dwfl was asked */
	Dwfl_Module *dw;   /* NULL: no symbols */
	GElf_Addr bias;    /* dwfl address = file's virtual address + bias */
	unsigned nloads;
	Elf64_Phdr load[LOADS];
};

static struct module *modules;

static void read_segments(struct module *m)
{
	int fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	Elf64_Ehdr eh;
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_phentsize != sizeof(Elf64_Phdr))
		goto out;
	for (unsigned i = 0; i < eh.e_phnum && m->nloads < LOADS; i++) {
		Elf64_Phdr *ph = &m->load[m->nloads];

		if (pread(fd, ph, sizeof(*ph), (off_t)(eh.e_phoff + i * sizeof(*ph))) != sizeof(*ph))
			break;
		if (ph->p_type == PT_LOAD)
			m->nloads++;
	}
	m->usable = m->nloads > 0;
out:
	close(fd);
}

static struct module *module_of(const char *path)
{
	struct module *m;
	const char *slash;

	for (m = modules; m; m = m->next)
		if (!strcmp(m->path, path))
			return m;
	m = calloc(1, sizeof(*m));
	if (!m || !(m->path = strdup(path))) {
		free(m);
		return NULL;
	}
	slash = strrchr(m->path, '/');
	m->name = slash ? slash + 1 : m->path;
	read_segments(m);
	m->next = modules;
	modules = m;
	return m;
}

static bool to_vaddr(const struct module *m, uint64_t off, uint64_t *ret)
{
	for (unsigned i = 0; i < m->nloads; i++) {
		const Elf64_Phdr *ph = &m->load[i];
		uint64_t lo = ph->p_offset & ~4095ull; /* what is mapped starts at a page */

		if (off >= lo && off < ph->p_offset + ph->p_filesz && (ph->p_flags & PF_X)) {
			*ret = off - ph->p_offset + ph->p_vaddr;
			return true;
		}
	}
	for (unsigned i = 0; i < m->nloads; i++) {
		const Elf64_Phdr *ph = &m->load[i];

		if (off >= ph->p_offset && off < ph->p_offset + ph->p_filesz) {
			*ret = off - ph->p_offset + ph->p_vaddr;
			return true;
		}
	}
	return false;
}

/* a session for each module: nothing can overlap, and the file's own addresses need no table */
static Dwfl_Module *dwfl_of(struct module *m, const struct dwlib **lib)
{
	static Dwfl_Callbacks callbacks;
	static char *debuginfo_path;
	Dwfl *session;

	*lib = dwlib(NULL);
	if (!*lib || m->tried)
		return *lib ? m->dw : NULL;
	m->tried = true;
	callbacks.find_elf = (*lib)->dwfl_build_id_find_elf;
	callbacks.find_debuginfo = (*lib)->dwfl_standard_find_debuginfo;
	callbacks.section_address = (*lib)->dwfl_offline_section_address;
	callbacks.debuginfo_path = &debuginfo_path;
	session = (*lib)->dwfl_begin(&callbacks);
	if (!session)
		return NULL;
	(*lib)->dwfl_report_begin(session);
	m->dw = (*lib)->dwfl_report_elf(session, m->name, m->path, -1, 0, true);
	(*lib)->dwfl_report_end(session, NULL, NULL);
	if (m->dw && !(*lib)->dwfl_module_getelf(m->dw, &m->bias))
		m->dw = NULL;
	return m->dw;
}

void symbols_of(const struct gn_rec *h, const struct gn_addr *a, bool back, struct place *ret)
{
	static char *names[NAMES];
	static unsigned turn;
	const char *path = rec_path(h, a->path), *slash = strrchr(path, '/');
	const struct dwlib *lib;
	struct module *m;
	Dwfl_Module *dw;
	Dwfl_Line *line;
	GElf_Sym elf_sym;
	GElf_Off off = 0;
	const char *sym;
	uint64_t at;

	memset(ret, 0, sizeof(*ret));
	ret->path = path;
	ret->module = slash ? slash + 1 : path;
	if (*path != '/')
		return;
	ret->file = true;
	ret->offset = a->file_off;
	m = module_of(path);
	if (!m || !m->usable || !to_vaddr(m, a->file_off, &ret->offset))
		return;
	dw = dwfl_of(m, &lib);
	if (!dw)
		return;
	at = ret->offset + m->bias - (back ? 1 : 0);
	sym = lib->dwfl_module_addrinfo(dw, at, &off, &elf_sym, NULL, NULL, NULL);
	if (sym && *sym) {
		char *nice = demangle(sym);

		ret->symbol = sym;
		ret->symbol_offset = off + (back ? 1 : 0);
		if (nice) {
			turn = (turn + 1) % NAMES;
			free(names[turn]);
			ret->symbol = names[turn] = nice;
		}
	}
	line = lib->dwfl_module_getsrc(dw, at);
	if (line) {
		const char *src = lib->dwfl_lineinfo(line, NULL, &ret->line, NULL, NULL, NULL);

		if (src && ret->line > 0) {
			slash = strrchr(src, '/');
			ret->source = src;
			ret->source_name = slash ? slash + 1 : src;
		}
	}
}
