#pragma once

#include <cstdint>

// What the emulator keeps in the 128 bytes of a CUtensorMap, and the copies that read it.
namespace emulator {

struct TensorMapFields {
  uint32_t magic;
  uint8_t elementBytes, rank, swizzle, reserved;
  uint64_t base;
  uint64_t strides[4];  // bytes, of the dimensions from the second on
  uint32_t sizes[5];
  uint16_t box[5];
};
static_assert(sizeof(TensorMapFields) <= 128, "a tensor map has 128 bytes");

constexpr uint32_t TENSOR_MAP_MAGIC = 0x70616d74;

// The fields of a map, or null where the bytes are none.
const TensorMapFields* tensorMapFields(const void* map);

uint64_t boxBytes(const TensorMapFields& map);

// Where byte `offset` of a box lies in shared memory: 16-byte chunks change places by address bits 7 to 9.
uintptr_t swizzled(uintptr_t address, unsigned swizzle);

// Copies a box between global memory and shared memory; what lies outside the tensor reads as 0 and is not written.
void loadBox(const TensorMapFields& map, unsigned char* shared, const int* coordinates);
void storeBox(const TensorMapFields& map, const unsigned char* shared, const int* coordinates);

}  // namespace emulator
