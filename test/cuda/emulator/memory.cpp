#include "memory.h"

#include <sys/mman.h>

#include <cstring>

namespace emulator {

namespace {
constexpr size_t PAGE = 4096;
constexpr size_t ALIGNMENT = 256;
constexpr size_t FORBIDDEN = 64 << 20;  // address space before and behind that may not be touched
size_t roundUp(size_t bytes, size_t multiple) { return (bytes + multiple - 1) / multiple * multiple; }
}  // namespace

uint64_t Memory::allocate(size_t bytes, size_t limit) {
  if (bytes > limit || bytes_ > limit - bytes) return 0;
  const size_t inner = roundUp(roundUp(bytes, ALIGNMENT) + ALIGNMENT, PAGE);
  void* memory = mmap(nullptr, inner + 2 * FORBIDDEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return 0;
  auto* pages = static_cast<unsigned char*>(memory);
  mprotect(pages + FORBIDDEN, inner, PROT_READ | PROT_WRITE);
  unsigned char* start = pages + FORBIDDEN + inner - roundUp(bytes, ALIGNMENT);
  std::memset(start - ALIGNMENT, GUARD, ALIGNMENT);
  std::memset(start, POISON, bytes);
  std::memset(start + bytes, GUARD, roundUp(bytes, ALIGNMENT) - bytes);
  const auto address = reinterpret_cast<uint64_t>(start);
  allocations_[address] = Allocation{bytes, pages, inner + 2 * FORBIDDEN};
  bytes_ += bytes;
  return address;
}

bool Memory::release(uint64_t address) {
  const auto found = allocations_.find(address);
  if (found == allocations_.end()) return false;
  bytes_ -= found->second.bytes;
  munmap(found->second.pages, found->second.pageBytes);
  allocations_.erase(found);
  return true;
}

bool Memory::holds(uint64_t address, size_t bytes) const {
  auto next = allocations_.upper_bound(address);
  if (next == allocations_.begin()) return false;
  --next;
  return address - next->first <= next->second.bytes && bytes <= next->second.bytes - (address - next->first);
}

std::string Memory::checkGuards() const {
  for (const auto& [address, allocation] : allocations_) {
    const auto* start = reinterpret_cast<const unsigned char*>(address);
    for (size_t i = 0; i < ALIGNMENT; i++)
      if (start[-1 - (ptrdiff_t)i] != GUARD) return "wrote " + std::to_string(i + 1) + " bytes before an allocation";
    for (size_t i = allocation.bytes; i < roundUp(allocation.bytes, ALIGNMENT); i++)
      if (start[i] != GUARD)
        return "wrote " + std::to_string(i - allocation.bytes) + " bytes behind an allocation of " +
               std::to_string(allocation.bytes);
  }
  return "";
}

}  // namespace emulator
