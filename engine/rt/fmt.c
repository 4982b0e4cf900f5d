/* SPDX-License-Identifier: MIT */
/*
 * Formatting for log lines, BUG blocks and the /proc files the engine writes: the part of printf that rt.h
 * lists. Never allocates; cuts at the end of the buffer. [as-safe] [no-fp]
 */
#include "rt/rt.h"

struct out {
	char *buf;
	size_t size, n;
};

static void put(struct out *o, char c)
{
	if (o->n + 1 < o->size)
		o->buf[o->n++] = c;
}

struct spec {
	bool left, zero, lng;
	int width, prec; /* prec -1: none */
};

static void put_field(struct out *o, const struct spec *sp, const char *s, size_t n, char sign)
{
	size_t len = n + (sign != 0);
	size_t pad = sp->width > 0 && (size_t)sp->width > len ? (size_t)sp->width - len : 0;

	if (sign && sp->zero)
		put(o, sign);
	if (!sp->left)
		for (size_t i = 0; i < pad; i++)
			put(o, sp->zero ? '0' : ' ');
	if (sign && !sp->zero)
		put(o, sign);
	for (size_t i = 0; i < n; i++)
		put(o, s[i]);
	if (sp->left)
		for (size_t i = 0; i < pad; i++)
			put(o, ' ');
}

static void put_number(struct out *o, const struct spec *sp, u64 val, u32 base, char sign)
{
	char tmp[24];
	size_t i = sizeof(tmp);

	do {
		tmp[--i] = "0123456789abcdef"[val % base];
		val /= base;
	} while (val);
	put_field(o, sp, tmp + i, sizeof(tmp) - i, sign);
}

static void put_string(struct out *o, struct spec *sp, const char *s)
{
	size_t n = 0;

	if (!s)
		s = "(null)";
	while ((sp->prec < 0 || n < (size_t)sp->prec) && s[n])
		n++;
	sp->zero = false;
	put_field(o, sp, s, n, 0);
}

static const char *parse_spec(struct spec *sp, const char *f, va_list *ap)
{
	*sp = (struct spec){ .prec = -1 };
	for (;; f++) {
		if (*f == '-')
			sp->left = true;
		else if (*f == '0')
			sp->zero = true;
		else
			break;
	}
	if (*f == '*') {
		sp->width = va_arg(*ap, int);
		f++;
	} else {
		for (; *f >= '0' && *f <= '9'; f++)
			sp->width = sp->width * 10 + (*f - '0');
	}
	if (*f == '.') {
		f++;
		sp->prec = 0;
		if (*f == '*') {
			sp->prec = va_arg(*ap, int);
			f++;
		} else {
			for (; *f >= '0' && *f <= '9'; f++)
				sp->prec = sp->prec * 10 + (*f - '0');
		}
	}
	for (; *f == 'l' || *f == 'z'; f++)
		sp->lng = true;
	if (sp->left)
		sp->zero = false;
	return f;
}

int rt_vsnprintf(char *buf, size_t size, const char *f, va_list ap_in)
{
	struct out o = { buf, size, 0 };
	struct spec sp;
	va_list ap;

	va_copy(ap, ap_in);
	for (; *f; f++) {
		char c;

		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		f = parse_spec(&sp, f + 1, &ap);
		switch (*f) {
		case 'd':
		case 'i': {
			s64 v = sp.lng ? va_arg(ap, s64) : va_arg(ap, s32);

			put_number(&o, &sp, v < 0 ? 0 - (u64)v : (u64)v, 10, v < 0 ? '-' : 0);
			break;
		}
		case 'u':
			put_number(&o, &sp, sp.lng ? va_arg(ap, u64) : va_arg(ap, u32), 10, 0);
			break;
		case 'x':
			put_number(&o, &sp, sp.lng ? va_arg(ap, u64) : va_arg(ap, u32), 16, 0);
			break;
		case 'p':
			put(&o, '0');
			put(&o, 'x');
			put_number(&o, &sp, va_arg(ap, u64), 16, 0);
			break;
		case 's':
			put_string(&o, &sp, va_arg(ap, const char *));
			break;
		case 'c':
			c = (char)va_arg(ap, int);
			put_field(&o, &sp, &c, 1, 0);
			break;
		case '%':
			put(&o, '%');
			break;
		default: /* not a conversion of ours: show it */
			put(&o, '%');
			if (!*f)
				f--;
			else
				put(&o, *f);
		}
	}
	va_end(ap);
	if (size)
		buf[o.n] = 0;
	return (int)o.n;
}

int rt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = rt_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

u64 rt_strtou(const char *s, int base, const char **end)
{
	u64 v = 0;

	if (base == 16 && s[0] == '0' && (s[1] | 32) == 'x')
		s += 2;
	for (;; s++) {
		u32 d;

		if (*s >= '0' && *s <= '9')
			d = (u32)(*s - '0');
		else if (base == 16 && (*s | 32) >= 'a' && (*s | 32) <= 'f')
			d = (u32)((*s | 32) - 'a' + 10);
		else
			break;
		v = v * (u32)base + d;
	}
	if (end)
		*end = s;
	return v;
}

size_t rt_strlcpy(char *dst, const char *src, size_t size)
{
	size_t n = 0;

	if (!size)
		return 0;
	for (; n < size - 1 && src[n]; n++)
		dst[n] = src[n];
	dst[n] = 0;
	return n;
}
