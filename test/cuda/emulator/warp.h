#pragma once

// Barriers, votes, shuffles and atomics.
inline void __syncthreads() { emulatorCore->syncthreads(emulator::Vote::none, 0); }
inline int __syncthreads_or(int predicate) { return emulatorCore->syncthreads(emulator::Vote::any, predicate); }
inline int __syncthreads_and(int predicate) { return emulatorCore->syncthreads(emulator::Vote::all, predicate); }
inline int __syncthreads_count(int predicate) { return emulatorCore->syncthreads(emulator::Vote::count, predicate); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __nanosleep(unsigned) { emulatorCore->yield(); }
inline unsigned __activemask() { return emulatorCore->activeLanes(); }

namespace emulator {

inline unsigned lane() { return emulatorThread->linear % 32; }

// Lane l gives `value` and receives that of lane `from`, where it is one of the mask.
struct Exchange {
  unsigned long long value, result;
  unsigned from;
};
inline void exchange(void* const* operands) {
  for (unsigned l = 0; l < 32; l++) {
    Exchange* own = static_cast<Exchange*>(operands[l]);
    if (own == nullptr) continue;
    const Exchange* other = static_cast<const Exchange*>(operands[own->from]);
    // What a lane outside the mask holds is undefined.
    own->result = other == nullptr ? 0xfefefefefefefefeull : other->value;
  }
}
template <typename T>
T shuffle(const char* name, unsigned mask, T value, unsigned from) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
  Exchange operands = {0, 0, from};
  __builtin_memcpy(&operands.value, &value, sizeof(T));
  emulatorCore->warp(name, mask, &operands, exchange);
  __builtin_memcpy(&value, &operands.result, sizeof(T));
  return value;
}

// Every lane gives a value; all receive what `Combine` makes of the mask's, from the lowest lane up.
template <typename T>
struct Reduction {
  T value;
  T result;
};
template <typename T, typename Combine>
void reduceLanes(void* const* operands) {
  T total{};
  bool first = true;
  for (unsigned l = 0; l < 32; l++) {
    if (operands[l] == nullptr) continue;
    const T value = static_cast<Reduction<T>*>(operands[l])->value;
    total = first ? value : Combine::of(total, value);
    first = false;
  }
  for (unsigned l = 0; l < 32; l++)
    if (operands[l] != nullptr) static_cast<Reduction<T>*>(operands[l])->result = total;
}
template <typename Combine, typename T>
T reduce(const char* name, unsigned mask, T value) {
  Reduction<T> operands = {value, value};
  emulatorCore->warp(name, mask, &operands, reduceLanes<T, Combine>);
  return operands.result;
}
struct Add {
  template <typename T>
  static T of(T a, T b) {
    return a + b;
  }
};
struct Minimum {
  template <typename T>
  static T of(T a, T b) {
    return b < a ? b : a;
  }
};
struct Maximum {
  template <typename T>
  static T of(T a, T b) {
    return a < b ? b : a;
  }
};
struct BitAnd {
  template <typename T>
  static T of(T a, T b) {
    return a & b;
  }
};
struct BitOr {
  template <typename T>
  static T of(T a, T b) {
    return a | b;
  }
};
struct BitXor {
  template <typename T>
  static T of(T a, T b) {
    return a ^ b;
  }
};

inline void nothing(void* const*) {}

}  // namespace emulator

inline void __syncwarp(unsigned mask = 0xffffffffu) {
  emulatorCore->warp("__syncwarp", mask, emulatorThread, emulator::nothing);
}

// Lanes in groups of `width`; a source outside the group is the lane itself.
template <typename T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned lane = emulator::lane();
  return emulator::shuffle("__shfl_sync", mask, value, (lane & ~(width - 1u)) | ((unsigned)source & (width - 1u)));
}
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  const unsigned lane = emulator::lane();
  const unsigned from = lane ^ (unsigned)lanes;
  return emulator::shuffle("__shfl_xor_sync", mask, value, from < ((lane & ~(width - 1u)) + width) ? from : lane);
}
template <typename T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = emulator::lane();
  return emulator::shuffle("__shfl_up_sync", mask, value, (lane & (width - 1u)) >= delta ? lane - delta : lane);
}
template <typename T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = emulator::lane();
  return emulator::shuffle("__shfl_down_sync", mask, value,
                           (lane & (width - 1u)) + delta < (unsigned)width ? lane + delta : lane);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return emulator::reduce<emulator::BitOr>("__ballot_sync", mask, predicate != 0 ? 1u << emulator::lane() : 0u);
}
inline int __any_sync(unsigned mask, int predicate) {
  return emulator::reduce<emulator::BitOr>("__any_sync", mask, (int)(predicate != 0));
}
inline int __all_sync(unsigned mask, int predicate) {
  return emulator::reduce<emulator::BitAnd>("__all_sync", mask, (int)(predicate != 0));
}

#define EMULATOR_REDUCE(T)                                                    \
  inline T __reduce_add_sync(unsigned mask, T x) {                            \
    return emulator::reduce<emulator::Add>("__reduce_add_sync", mask, x);     \
  }                                                                           \
  inline T __reduce_min_sync(unsigned mask, T x) {                            \
    return emulator::reduce<emulator::Minimum>("__reduce_min_sync", mask, x); \
  }                                                                           \
  inline T __reduce_max_sync(unsigned mask, T x) {                            \
    return emulator::reduce<emulator::Maximum>("__reduce_max_sync", mask, x); \
  }
EMULATOR_REDUCE(int)
EMULATOR_REDUCE(unsigned)
#undef EMULATOR_REDUCE
inline unsigned __reduce_and_sync(unsigned mask, unsigned x) {
  return emulator::reduce<emulator::BitAnd>("__reduce_and_sync", mask, x);
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned x) {
  return emulator::reduce<emulator::BitOr>("__reduce_or_sync", mask, x);
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned x) {
  return emulator::reduce<emulator::BitXor>("__reduce_xor_sync", mask, x);
}

// Blocks and threads take turns on one thread of the host, between calls of the core only.
#define EMULATOR_ATOMICS(T)         \
  inline T atomicAdd(T* at, T x) {  \
    const T old = *at;              \
    *at = old + x;                  \
    return old;                     \
  }                                 \
  inline T atomicMax(T* at, T x) {  \
    const T old = *at;              \
    *at = old < x ? x : old;        \
    return old;                     \
  }                                 \
  inline T atomicMin(T* at, T x) {  \
    const T old = *at;              \
    *at = x < old ? x : old;        \
    return old;                     \
  }                                 \
  inline T atomicExch(T* at, T x) { \
    const T old = *at;              \
    *at = x;                        \
    return old;                     \
  }
#define EMULATOR_BIT_ATOMICS(T)                \
  inline T atomicAnd(T* at, T x) {             \
    const T old = *at;                         \
    *at = old & x;                             \
    return old;                                \
  }                                            \
  inline T atomicOr(T* at, T x) {              \
    const T old = *at;                         \
    *at = old | x;                             \
    return old;                                \
  }                                            \
  inline T atomicXor(T* at, T x) {             \
    const T old = *at;                         \
    *at = old ^ x;                             \
    return old;                                \
  }                                            \
  inline T atomicSub(T* at, T x) {             \
    const T old = *at;                         \
    *at = old - x;                             \
    return old;                                \
  }                                            \
  inline T atomicCAS(T* at, T expected, T x) { \
    const T old = *at;                         \
    if (old == expected) *at = x;              \
    return old;                                \
  }
EMULATOR_ATOMICS(int)
EMULATOR_ATOMICS(unsigned)
EMULATOR_ATOMICS(unsigned long long)
EMULATOR_ATOMICS(float)
EMULATOR_ATOMICS(double)
EMULATOR_BIT_ATOMICS(int)
EMULATOR_BIT_ATOMICS(unsigned)
EMULATOR_BIT_ATOMICS(unsigned long long)
#undef EMULATOR_ATOMICS
#undef EMULATOR_BIT_ATOMICS
