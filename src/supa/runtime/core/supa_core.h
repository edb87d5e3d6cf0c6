/* The driver core's C interface: device memory, launches on host threads, work streams.
 *
 * Not here: streams, clocks, prices, errors with words; those are Python's. The core knows no Python and no chip.
 * It is loaded through ctypes and linked by the torch extension. All functions may be called from any thread.
 */
#ifndef SUPA_CORE_H
#define SUPA_CORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the binary interface of kernels (supa.program.abi) ---- */

typedef struct SupaLaunch {
  int32_t grid[3];
  int32_t stopped;
  void (*report)(void *launch, int32_t kind, int32_t message, int64_t block, int64_t count, const int64_t *values);
  void (*yield_)(void *launch); /* called by loops that may wait for another block; may be null */
  struct SupaSanitizer *sanitizer; /* asked by kernels with checks; may be null */
  int64_t (*read)(void *launch, int32_t what); /* clocks and processors, in the order of SUPA_READ_*; may be null */
  const int32_t *order; /* the number of the block that begins at each place; null: its place is its number */
} SupaLaunch;

enum {
  SUPA_READ_NANOSECONDS = 0,
  SUPA_READ_CYCLES = 1,
  SUPA_READ_PROCESSOR = 2,
  SUPA_READ_PROCESSORS = 3,
  SUPA_READ_ALONE = 4 /* 1: until the entry returns no other thread runs kernels */
};

typedef void (*SupaEntry)(const uint64_t *args, SupaLaunch *launch, int64_t first, int64_t last, uint8_t *scratch);
typedef int64_t (*SupaWork)(const uint64_t *args, SupaLaunch *launch, int64_t first, int64_t last, int64_t *out,
                            int64_t capacity);
/* Where a block begins to read: of a product its right and its left operand, of other kernels one address. Writes them
   and returns how many they are. */
typedef int64_t (*SupaOrder)(const uint64_t *args, const SupaLaunch *launch, int64_t block, int64_t *keys);

/* ---- device memory ---- */

enum {
  SUPA_OK = 0,
  SUPA_OUT_OF_MEMORY = 1, /* no free block is large enough */
  SUPA_NOT_ALLOCATED = 2, /* the address is not the start of a live allocation */
  SUPA_IN_USE = 3         /* allocations are alive */
};

enum { SUPA_ALIGNMENT = 512 };

typedef struct SupaRegion SupaRegion;

typedef struct SupaMemory {
  int64_t capacity_bytes;
  int64_t allocated_bytes; /* in live allocations, rounded up to the alignment */
  int64_t cached_bytes;    /* free, still holding host pages */
  int64_t peak_bytes;      /* largest allocated_bytes since the last reset */
  int64_t largest_free_bytes;
  int64_t live_count;
  int64_t total_count;
} SupaMemory;

typedef struct SupaPlace {
  SupaRegion *region;    /* null: the address lies in no region */
  uint64_t region_base;
  uint64_t start;        /* the live allocation that holds the address, or else the nearest below; 0: none */
  int64_t bytes;         /* its size as requested */
  int32_t inside;        /* 1: the address lies in it */
} SupaPlace;

/* Reserves address space for a device; returns its base, 0 where the host refuses. Pages appear when touched. */
uint64_t supa_arena_open(int64_t bytes);
void supa_arena_close(uint64_t base, int64_t bytes);

/* A region is a range of an arena with its own allocator: a whole device, or one virtual instance of it. */
SupaRegion *supa_region_open(uint64_t base, int64_t bytes);
int supa_region_close(SupaRegion *region, int force); /* SUPA_IN_USE, or all pages are given back and read as zero */

/* `owner` is any number from 1 up: bytes that one owner wrote are zero before another owner gets them. */
int supa_allocate(SupaRegion *region, int64_t bytes, uint32_t owner, uint64_t *address);
int supa_free(SupaRegion *region, uint64_t address);
void supa_release_cached(SupaRegion *region);
void supa_memory(SupaRegion *region, SupaMemory *out);
void supa_reset_peak(SupaRegion *region);
void supa_locate(uint64_t address, SupaPlace *out);

/* ---- launches ---- */

enum {
  SUPA_STOPPED = -1,        /* a kernel's assert failed */
  SUPA_FAULT = -2,          /* kernel code raised a signal */
  SUPA_NO_HOST_MEMORY = -3, /* scratch memory could not be had */
  SUPA_INTERRUPTED = -4,    /* the process was asked to end (SIGINT, SIGTERM) */
  SUPA_WORK_CHANGED = -5    /* the work stream has another length than it had when it was counted */
};

typedef struct SupaKernel SupaKernel;
typedef struct SupaReports SupaReports;

typedef struct SupaReport {
  int32_t kind;
  int32_t message;
  int64_t block;
  int64_t count;
  const int64_t *values;
} SupaReport;

/* What a launch left behind. Reset at the start of each. */
typedef struct SupaOutcome {
  int32_t status;
  int32_t signal;
  uint64_t fault_address;
  int64_t fault_first; /* the faulting block, or the range [first, last) where replay did not find it */
  int64_t fault_last;
  int64_t report_count;
  int64_t reports_dropped;
  SupaReports *reports;
} SupaOutcome;

/* Launches that succeeded, counted as they end. Only ever grows; many threads may count in one. */
typedef struct SupaTally {
  int64_t launches;
  int64_t host_ns;
} SupaTally;

enum { SUPA_TALLIES = 2 };

/* One launch as the caller lays it out; the arguments' 8-byte slots follow. */
typedef struct SupaCall {
  SupaLaunch launch; /* report: null, or supa_record */
  SupaKernel *kernel;
  SupaOutcome *outcome;
  SupaTally *tallies[SUPA_TALLIES]; /* where it counts; null: nowhere */
  uint64_t args[];
} SupaCall;

// A digest of the sources that the library was built from.
uint64_t supa_core_sources(void);

/* `order`: null where blocks begin in the order of their numbers. `waits`: blocks may wait for one another, so that each
   needs a stack of its own. */
SupaKernel *supa_kernel_open(SupaEntry entry, SupaWork work, SupaOrder order, int64_t scratch_bytes, int32_t waits);
void supa_kernel_close(SupaKernel *kernel);
SupaOutcome *supa_outcome_open(void);
void supa_outcome_close(SupaOutcome *outcome);

/* Runs every block of the grid once; returns nanoseconds, or a negative status. */
int64_t supa_launch(SupaCall *call);

/* The `report` of launches that record: keeps asserts and prints in the outcome. */
void supa_record(void *launch, int32_t kind, int32_t message, int64_t block, int64_t count, const int64_t *values);
/* The index-th report, ordered by block. Valid until the outcome's next launch. */
void supa_report(const SupaOutcome *outcome, int64_t index, SupaReport *out);

/* The length of the whole grid's work stream in int64, or a negative status. */
int64_t supa_work(SupaCall *call);
/* Writes the stream, blocks in order, that this thread's latest supa_work has counted for the same call; returns 0 or a
 * negative status: SUPA_WORK_CHANGED where memory that decides on the work has changed since. */
int64_t supa_work_write(SupaCall *call, int64_t *out);

/* ---- the sanitizer: what one launch of a kernel with checks does to memory ---- */

enum { SUPA_LOAD = 0, SUPA_STORE = 1, SUPA_ATOMIC = 2, SUPA_OVERFLOW = 3, SUPA_NOT_FINITE = 4 };
enum { SUPA_VOLATILE = 1, SUPA_ACQUIRES = 2, SUPA_RELEASES = 4 };

typedef struct SupaSite {
  int32_t kind;
  int32_t bytes;  /* of an element */
  int32_t extent; /* the only memory that it may access, -1: any */
  int32_t flags;
} SupaSite;

typedef struct SupaExtent {
  uint64_t base;
  int64_t bytes;
  int32_t group; /* extents of one group overlap; groups that are not tracked are -1 */
  int32_t freed;
  uint64_t written_base; /* where the bits of `written` begin */
  uint8_t *written;      /* a bit for each byte that a kernel wrote since it was marked; null: not kept */
} SupaExtent;

typedef struct SupaGroup { /* memory whose writers and readers are tracked */
  uint64_t base;
  int64_t bytes;
  int64_t cell_bytes; /* a power of two that divides every access's address and size */
} SupaGroup;

enum {
  SUPA_OUTSIDE = 0,
  SUPA_FREED = 1,
  SUPA_MISALIGNED = 2,
  SUPA_UNWRITTEN = 3,
  SUPA_WRITE_WRITE = 4,
  SUPA_READ_AFTER_WRITE = 5,
  SUPA_WRITE_AFTER_READ = 6,
  SUPA_WRONG_VALUE = 7, /* an overflow, or a value that is not finite */
  SUPA_WAITS = 8,       /* for what nobody does any more */
  SUPA_PROBLEMS = 9
};

typedef struct SupaFinding {
  int32_t site;
  int32_t problem;
  int64_t block; /* the lowest block that did it */
  int64_t other; /* the other block of a race, -1: not known */
  uint64_t address;
  int64_t element;
  int64_t count;  /* of elements of all blocks */
  int64_t extent; /* of the memory that was meant, -1: not known */
} SupaFinding;

typedef struct SupaSanitizer SupaSanitizer;

/* The first `named_count` extents are those that sites name, the others stand in the order of their addresses. A launch
 * whose blocks have all been waiting for `wait_ns` is stopped. */
SupaSanitizer *supa_sanitizer_open(const SupaSite *sites, int32_t site_count, const SupaExtent *extents,
                                   int32_t extent_count, int32_t named_count, const SupaGroup *groups,
                                   int32_t group_count, int64_t blocks, int64_t wait_ns);
void supa_sanitizer_close(SupaSanitizer *sanitizer);
/* Of every site: bit 0: it was reached, bit 1: with some lane active. Returns the number of findings. */
int64_t supa_sanitizer_result(SupaSanitizer *sanitizer, uint8_t *reached);
void supa_sanitizer_finding(SupaSanitizer *sanitizer, int64_t index, SupaFinding *out);
/* Fills memory with the mark of what was never written. */
void supa_mark_unwritten(uint64_t address, int64_t bytes);

/* ---- host threads ---- */

int32_t supa_threads(void);             /* threads that a launch may use, the caller's included */
void supa_set_threads(int32_t threads); /* at least 1; by default SUPA_NUM_THREADS, else OMP_NUM_THREADS, else all cores */

#ifdef __cplusplus
}
#endif
#endif
