#include "tensor-map.h"

#include <cstring>

namespace emulator {

const TensorMapFields* tensorMapFields(const void* map) {
  const auto* fields = static_cast<const TensorMapFields*>(map);
  return fields->magic == TENSOR_MAP_MAGIC ? fields : nullptr;
}

uint64_t boxBytes(const TensorMapFields& map) {
  uint64_t bytes = map.elementBytes;
  for (unsigned i = 0; i < map.rank; i++) bytes *= map.box[i];
  return bytes;
}

uintptr_t swizzled(uintptr_t address, unsigned swizzle) {
  // 0 none, 1: 32 bytes, 2: 64 bytes, 3: 128 bytes.
  static const uintptr_t masks[] = {0, 0x10, 0x30, 0x70};
  return address ^ ((address >> 3) & masks[swizzle]);
}

namespace {

// Calls `move(shared, global, bytes)` for each row of the box, with global null for what lies outside the tensor.
template <typename Move>
void eachElement(const TensorMapFields& map, uintptr_t shared, const int* coordinates, Move move) {
  uint64_t count = 1;
  for (unsigned i = 0; i < map.rank; i++) count *= map.box[i];
  for (uint64_t element = 0; element < count; element++) {
    uint64_t rest = element;
    bool inside = true;
    uint64_t offset = 0;
    for (unsigned i = 0; i < map.rank; i++) {
      const int64_t at = coordinates[i] + (int64_t)(rest % map.box[i]);
      rest /= map.box[i];
      if (at < 0 || at >= (int64_t)map.sizes[i]) inside = false;
      offset += (uint64_t)at * (i == 0 ? map.elementBytes : map.strides[i - 1]);
    }
    const uintptr_t to = swizzled(shared + element * map.elementBytes, map.swizzle);
    move(reinterpret_cast<unsigned char*>(to), inside ? reinterpret_cast<unsigned char*>(map.base + offset) : nullptr);
  }
}

}  // namespace

void loadBox(const TensorMapFields& map, unsigned char* shared, const int* coordinates) {
  eachElement(map, reinterpret_cast<uintptr_t>(shared), coordinates, [&](unsigned char* to, const unsigned char* from) {
    if (from == nullptr)
      std::memset(to, 0, map.elementBytes);
    else
      std::memcpy(to, from, map.elementBytes);
  });
}

void storeBox(const TensorMapFields& map, const unsigned char* shared, const int* coordinates) {
  eachElement(map, reinterpret_cast<uintptr_t>(shared), coordinates, [&](const unsigned char* from, unsigned char* to) {
    if (to != nullptr) std::memcpy(to, from, map.elementBytes);
  });
}

}  // namespace emulator
