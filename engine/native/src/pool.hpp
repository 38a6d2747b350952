// A few threads that stay awake within one call and sleep between calls.
//
// A frame of csm-1b is some six hundred products of a matrix and a vector, 50 to 400 µs each, one after
// another. Waking a sleeping thread for each would cost more than the work; so a worker that ran out of
// work looks for the next piece for a while, and only then lies down. Work is cut into chunks that the
// threads take from one counter, so that a thread which the system takes off its core holds up the
// others by one chunk and not by its share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace parley {

class Pool {
 public:
  // `threads` counts the caller; 1 means no workers at all. The system may give fewer than asked for.
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls work(chunk, thread) once for every chunk of [0, chunks), on all threads; returns when all are
  // done. `thread` is in [0, threads()); the caller is thread 0. Called from one thread at a time.
  template <typename Work>
  void run(int chunks, const Work& work) {
    if (workers_.empty() || chunks <= 1) {
      for (int chunk = 0; chunk < chunks; ++chunk) work(chunk, 0);
      return;
    }
    start(chunks, [](const void* context, int chunk, int thread) {
      (*static_cast<const Work*>(context))(chunk, thread);
    }, &work);
  }

 private:
  using Call = void (*)(const void* context, int chunk, int thread);

  // The counter that chunks are taken from. Round and number of chunks are in the same word as the next
  // chunk, so that a thread which comes late can never take work out of another round than it thinks.
  static constexpr int kChunkBits = 20;
  static constexpr uint64_t kChunkMask = (uint64_t{1} << kChunkBits) - 1;
  static int next_of(uint64_t ticket) { return static_cast<int>(ticket & kChunkMask); }
  static int chunks_of(uint64_t ticket) {
    return static_cast<int>((ticket >> kChunkBits) & kChunkMask);
  }
  static uint64_t round_of(uint64_t ticket) { return ticket >> (2 * kChunkBits); }

  void start(int chunks, Call call, const void* context);
  int take_chunks(int thread);
  void work(int thread);
  uint64_t await_round(uint64_t seen);

  std::vector<std::thread> workers_;
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<int> done_{0};
  alignas(64) Call call_ = nullptr;
  const void* context_ = nullptr;
  std::atomic<int> asleep_{0};
  std::atomic<bool> ending_{false};
  std::mutex bed_;
  std::condition_variable morning_;
};

}  // namespace parley
