#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

// Device and pinned memory. An allocation ends where a page begins that may not be touched, is poisoned when it is
// new, and has a guard before it and behind its last byte.
namespace emulator {

constexpr unsigned char POISON = 0xff;  // NaN in every floating-point type
constexpr unsigned char GUARD = 0xa5;

class Memory {
 public:
  // 0 where it does not fit.
  uint64_t allocate(size_t bytes, size_t limit);
  // False where there is no such allocation.
  bool release(uint64_t address);
  // Whether the bytes are within one allocation.
  bool holds(uint64_t address, size_t bytes) const;
  // What was written outside of the allocations, or an empty string.
  std::string checkGuards() const;
  size_t bytes() const { return bytes_; }
  size_t count() const { return allocations_.size(); }

 private:
  struct Allocation {
    size_t bytes;
    unsigned char* pages;
    size_t pageBytes;
  };
  std::map<uint64_t, Allocation> allocations_;
  size_t bytes_ = 0;
};

}  // namespace emulator
