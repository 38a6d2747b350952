// A few threads that stay awake within one call and sleep between calls.
//
// A frame of csm-1b is some six hundred products of a matrix and a vector, 50 to 400 µs each, one after
// another. Waking a sleeping thread for each would cost more than the work; so a worker that ran out of
// work looks for the next piece for a while, and only then lies down.
//
// Work is cut into chunks, and each thread has a share of neighbouring ones, so that what it asks memory
// for in advance is its own. A thread that is done with its share goes on with those of others: one that
// the system takes off its core holds them up by one chunk and not by its share.
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

  // What is left of a thread's share: the next chunk and, in the upper half, the one behind the last. Both
  // are in one word, so that a thread which comes late takes nothing, or a chunk of the round that is on.
  struct alignas(64) Share {
    std::atomic<uint64_t> left{0};
  };
  static uint64_t share_of(uint64_t first, uint64_t end) { return end << 32 | first; }
  static int next_of(uint64_t left) { return static_cast<int>(left & 0xffffffffu); }
  static int end_of(uint64_t left) { return static_cast<int>(left >> 32); }

  void start(int chunks, Call call, const void* context);
  int take_chunks(int thread);
  int take_share(Share& share, int thread);
  void work(int thread);
  uint64_t await_round(uint64_t seen);

  std::vector<Share> shares_;
  std::vector<std::thread> workers_;
  alignas(64) std::atomic<uint64_t> round_{0};
  alignas(64) std::atomic<int> done_{0};
  alignas(64) Call call_ = nullptr;
  const void* context_ = nullptr;
  std::atomic<int> asleep_{0};
  std::atomic<bool> ending_{false};
  std::mutex bed_;
  std::condition_variable morning_;
};

}  // namespace parley
