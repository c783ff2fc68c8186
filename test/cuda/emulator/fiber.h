#pragma once

#include <cstddef>

// Stacks that take turns on one thread of the host.
namespace emulator {

struct Context {
  void* state = nullptr;  // the stack pointer, or a ucontext_t
};

constexpr size_t STACK_BYTES = 256 * 1024;

// A stack with a page below that may not be touched.
unsigned char* makeStack();

// Lets `context` begin at `entry` on `stack` (from `makeStack`) when it is next switched to; `entry` may not return.
void prepare(Context& context, unsigned char* stack, void (*entry)());

// Leaves the running context, to be gone on with later, and goes on with another.
void switchTo(Context& from, Context& to);

}  // namespace emulator
