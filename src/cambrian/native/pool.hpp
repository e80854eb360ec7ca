// Memory of a thread. Of internal linkage: every instruction set compiles its own.
#pragma once
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

template <class T>
struct Pool {  // grows, never shrinks, kept between calls: page faults cost more than a small structure
  T *at = nullptr;
  size_t size = 0;
  T *hold(size_t n, size_t used = 0) {
    if (n > size) {
      const size_t grown = (n + n / 2 + 64) * sizeof(T);
      T *fresh = static_cast<T *>(std::aligned_alloc(64, (grown + 63) / 64 * 64));
      if (!fresh) throw std::bad_alloc();
      if (used) std::memcpy(static_cast<void *>(fresh), at, used * sizeof(T));
      std::free(at);
      at = fresh;
      size = grown / sizeof(T);
    }
    return at;
  }
  ~Pool() { std::free(at); }
};

}  // namespace
