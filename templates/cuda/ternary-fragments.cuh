#pragma once

// Ternary weights lie as u32 weights[ceil(n/64)][ceil(k/128)][4][32][4]: 64 channels by 128 k are 2 KB, four words of
// each lane for each 16 channels, and word j holds the lane's A fragment for k in [32j, 32j + 32) as 16 codes u = t + 1.

// The first k of `lane`'s words for 16·groups channels from `firstChannel` on; another 16 channels are 32 uint4 on, another
// 128 k are 128. Channels beyond the layout read its last 64: their results are never stored.
template <unsigned N, unsigned KBlocks>
__device__ __forceinline__ const uint4* fragmentsOf(const unsigned* weights, unsigned firstChannel, unsigned lane) {
  constexpr unsigned last = (N - 1) / 64;
  const unsigned block = firstChannel / 64 < last ? firstChannel / 64 : last;
  return reinterpret_cast<const uint4*>(weights) + ((unsigned long long)block * KBlocks * 128 + firstChannel % 64 * 2 + lane);
}

__device__ __forceinline__ unsigned wordOf(const uint4& words, unsigned j) {
  return j == 0 ? words.x : j == 1 ? words.y : j == 2 ? words.z : words.w;
}

// The A fragment of m16n8k32: register i holds the codes at bits 2i of every byte.
__device__ __forceinline__ void unpackCodes(unsigned (&a)[4], unsigned word) {
#pragma unroll
  for (unsigned i = 0; i < 4; i++) a[i] = (word >> (2 * i)) & 0x03030303u;
}

// The D fragment of a warp, 16 channels by 8 tokens, into a tile [token][channel] whose rows are `Pitch` words apart.
// Where Pitch % 32 is 4, all 32 lanes store to different banks.
template <unsigned Pitch, typename T>
__device__ __forceinline__ void stageFragment(T* tile, const T (&d)[4], unsigned lane) {
  T* at = tile + 2 * (lane % 4) * Pitch + lane / 4;
  at[0] = d[0];
  at[Pitch] = d[1];
  at[8] = d[2];
  at[Pitch + 8] = d[3];
}
