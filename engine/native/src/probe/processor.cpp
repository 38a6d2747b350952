// Says which vector instructions this processor and its system have, for compilers that cannot be asked to
// use what there is (build.py runs it where the compiler is Microsoft's).
#include <cstdio>
#include <initializer_list>

#if defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif

namespace {

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers ask(unsigned leaf, unsigned part) {
  Registers out;
#if defined(_MSC_VER)
  int said[4];
  __cpuidex(said, static_cast<int>(leaf), static_cast<int>(part));
  out.a = static_cast<unsigned>(said[0]);
  out.b = static_cast<unsigned>(said[1]);
  out.c = static_cast<unsigned>(said[2]);
  out.d = static_cast<unsigned>(said[3]);
#else
  __cpuid_count(leaf, part, out.a, out.b, out.c, out.d);
#endif
  return out;
}

// Which registers the system saves when it switches threads.
unsigned saved() {
#if defined(_MSC_VER)
  return static_cast<unsigned>(_xgetbv(0));
#else
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
#endif
}

bool bit(unsigned word, int number) { return (word >> number & 1u) != 0; }

void say(bool has, const char* name) {
  if (has) std::printf("%s\n", name);
}

}  // namespace

int main() {
  if (ask(0, 0).a < 7) return 0;
  const Registers basic = ask(1, 0), more = ask(7, 0);
  const Registers newest = more.a >= 1 ? ask(7, 1) : Registers{};
  const unsigned kept = bit(basic.c, 27) ? saved() : 0;
  const bool avx2 = (kept & 0x06) == 0x06 && bit(basic.c, 12) && bit(more.b, 5);
  bool avx512 = avx2 && (kept & 0xe6) == 0xe6;
  for (int number : {16, 17, 28, 30, 31}) avx512 = avx512 && bit(more.b, number);  // F DQ CD BW VL
  say(avx2, "avx2");
  say(avx2 && bit(newest.a, 4), "avx_vnni");
  say(avx512, "avx512");
  say(avx512 && bit(more.c, 11), "avx512_vnni");
  say(avx512 && bit(newest.a, 5), "avx512_bf16");
  return 0;
}
