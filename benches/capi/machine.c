/* What the machine does by itself: how long a thread that only reads the clock is held up. */
#include "bench.h"

enum { PER_SECOND = 1000000000 };

/* ms=N: a loop on each of two processors. No cache is in it; where a hypervisor takes a processor away, it is seen here
 * and nowhere in the guest's accounts. */
static void watch(void *shared, int number)
{
    int64_t *longest = (int64_t *)shared + number;
    int64_t last = now_ns(), end = last + option("ms", 100) * (PER_SECOND / 1000), now;
    while ((now = now_ns()) < end) {
        if (now - last > *longest)
            *longest = now - last;
        last = now;
    }
}

void measure_machine(void)
{
    int64_t longest[2] = {0, 0};
    in_threads(2, watch, longest);
    report_number("pause", (double)(longest[0] > longest[1] ? longest[0] : longest[1]));
}
