// Runs one conversation out of a file, for processors and systems that have no Python here.
//
//   driver FILE OUT
//
// FILE (test_elsewhere.py writes it): the size of an image, how many of its 64-bit words are pointers,
// where those are, and the image, in which a pointer is a distance from its beginning. The image begins
// with a Case. OUT gets the logits of the last frame, the frames drawn after it, and the kernels' name.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "parley_native.h"

namespace {

struct Case {
  ParleyModel model;
  ParleyCache cache;
  ParleySampling sampling;
  int64_t threads, texts, frames, drawn;
  const int64_t *ids, *codes;
  float *hidden, *logits;  // (width,) and (K, V)
  int64_t* out;            // (drawn, K)
};

template <typename T>
std::vector<T> take(std::FILE* file, size_t count) {
  std::vector<T> out(count);
  if (std::fread(out.data(), sizeof(T), count, file) != count) out.clear();
  return out;
}

}  // namespace

int main(int count, char** names) {
  std::FILE* file = count == 3 ? std::fopen(names[1], "rb") : nullptr;
  if (file == nullptr) return 2;
  const std::vector<int64_t> sizes = take<int64_t>(file, 2);
  if (sizes.empty()) return 3;
  const std::vector<int64_t> pointers = take<int64_t>(file, static_cast<size_t>(sizes[1]));
  std::vector<int64_t> image = take<int64_t>(file, static_cast<size_t>(sizes[0] / 8));
  std::fclose(file);
  if (pointers.empty() || image.empty()) return 3;
  for (const int64_t place : pointers) image[place / 8] += reinterpret_cast<int64_t>(image.data());

  const Case& one = *reinterpret_cast<const Case*>(image.data());
  ParleyEngine* engine = parley_create(&one.model, one.threads);
  if (engine == nullptr) return 4;
  const int64_t codebooks = one.model.codebooks;
  int64_t position = one.texts + one.frames - 1;
  parley_read(engine, &one.cache, 0, one.ids, one.texts, one.codes, one.frames - 1, one.hidden);
  const int64_t* last = one.codes + (one.frames - 1) * codebooks;
  parley_force(engine, one.hidden, last, one.logits);
  parley_read(engine, &one.cache, position, nullptr, 0, last, 1, one.hidden);
  for (int64_t frame = 0; frame < one.drawn; ++frame) {
    int64_t* codes = one.out + frame * codebooks;
    parley_draw(engine, one.hidden, &one.sampling, codes);
    parley_read(engine, &one.cache, ++position, nullptr, 0, codes, 1, one.hidden);
  }
  parley_destroy(engine);

  file = std::fopen(names[2], "wb");
  if (file == nullptr) return 5;
  std::fwrite(one.logits, sizeof(float), static_cast<size_t>(codebooks * one.model.audio_vocab), file);
  std::fwrite(one.out, sizeof(int64_t), static_cast<size_t>(one.drawn * codebooks), file);
  std::fputs(parley_kernels(), file);
  return std::fclose(file) == 0 ? 0 : 6;
}
