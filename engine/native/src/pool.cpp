#include "pool.hpp"

#include <chrono>
#include <system_error>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(_M_ARM64)
#include <intrin.h>
#endif

namespace parley {

namespace {

constexpr auto kSpin = std::chrono::microseconds(60);    // longer than any pause within a frame
constexpr auto kYield = std::chrono::microseconds(200);  // then let others on the core, but stay near
constexpr int kPauses = 4;                               // between two looks at the clock

inline void pause_briefly() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ __volatile__("yield");
#elif defined(_M_ARM64)
  __yield();
#endif
}

// Waits a little longer the longer it is asked; says false when the time to stay awake is over.
class Patience {
 public:
  bool wait() {
    for (int i = 0; i < kPauses; ++i) pause_briefly();
    const auto now = std::chrono::steady_clock::now();
    if (start_ == Moment{}) start_ = now;
    if (now - start_ > kSpin) std::this_thread::yield();
    return now - start_ < kSpin + kYield;
  }

 private:
  using Moment = std::chrono::steady_clock::time_point;
  Moment start_{};
};

}  // namespace

Pool::Pool(int threads) : shares_(static_cast<size_t>(threads)) {
  workers_.reserve(static_cast<size_t>(threads - 1));  // so that nothing below but a thread can fail
  try {
    for (int thread = 1; thread < threads; ++thread) {
      workers_.emplace_back([this, thread] { work(thread); });
    }
  } catch (const std::system_error&) {
    // The system gives no more threads: those that there are do the work.
  }
}

Pool::~Pool() {
  {
    const std::lock_guard<std::mutex> lock(bed_);
    ending_.store(true);
  }
  morning_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::start(int chunks, Call call, const void* context) {
  call_ = call;
  context_ = context;
  done_.store(0, std::memory_order_relaxed);
  const uint64_t round = round_.load(std::memory_order_relaxed) + 1;
  const uint64_t all = static_cast<uint64_t>(chunks), count = static_cast<uint64_t>(threads());
  for (uint64_t thread = 0; thread < count; ++thread) {
    shares_[thread].left.store(share_of(all * thread / count, all * (thread + 1) / count),
                               std::memory_order_release);
  }
  // In one order with `asleep_` (both sequentially consistent): either the worker sees this round before
  // it lies down, or it is counted as asleep here.
  round_.store(round);
  if (asleep_.load() > 0) {
    const std::lock_guard<std::mutex> lock(bed_);
    morning_.notify_all();
  }
  const int mine = take_chunks(0);
  done_.fetch_add(mine, std::memory_order_acq_rel);
  Patience patience;
  while (done_.load(std::memory_order_acquire) < chunks) patience.wait();
}

int Pool::take_chunks(int thread) {
  const size_t count = shares_.size(), own = static_cast<size_t>(thread);
  int taken = 0;
  for (size_t other = 0; other < count; ++other) {
    taken += take_share(shares_[(own + other) % count], thread);
  }
  return taken;
}

int Pool::take_share(Share& share, int thread) {
  int taken = 0;
  while (true) {
    const uint64_t seen = share.left.load(std::memory_order_relaxed);
    if (next_of(seen) >= end_of(seen)) return taken;
    const uint64_t left = share.left.fetch_add(1, std::memory_order_acq_rel);
    if (next_of(left) >= end_of(left)) return taken;
    // This chunk is not done, so the round cannot end, so the call cannot change under us.
    call_(context_, next_of(left), thread);
    ++taken;
  }
}

void Pool::work(int thread) {
  uint64_t seen = 0;
  while (!ending_.load()) {
    const int taken = take_chunks(thread);
    if (taken > 0) done_.fetch_add(taken, std::memory_order_acq_rel);
    seen = await_round(seen);
  }
}

uint64_t Pool::await_round(uint64_t seen) {
  Patience patience;
  while (true) {
    const uint64_t round = round_.load(std::memory_order_acquire);
    if (round != seen || ending_.load(std::memory_order_relaxed)) return round;
    if (patience.wait()) continue;
    std::unique_lock<std::mutex> lock(bed_);
    asleep_.fetch_add(1);
    morning_.wait(lock, [&] { return round_.load() != seen || ending_.load(); });
    asleep_.fetch_sub(1);
    patience = Patience{};
  }
}

}  // namespace parley
