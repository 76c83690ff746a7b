/* The machine's own limit: how many floating-point operations a second its multiply-add instructions can do,
 * measured at the moment of the call, since clocks move with the load. */
#ifndef PEAK_H
#define PEAK_H

/* "AVX-512", "AVX2" or "portable": the widest that this processor has, as the library chooses it. */
const char *peak_instruction_set(void);

/* GFLOPS of `threads` threads which do nothing but multiply-adds in registers at the same time; double_precision: 0 or 1.
 * Takes about a millisecond. 0 when a thread could not be made. */
double peak_gflops(int threads, int double_precision);

/* Seconds on a clock that only goes forward. */
double peak_seconds(void);

#endif
