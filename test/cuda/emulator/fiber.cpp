#include "fiber.h"

#include <sys/mman.h>
#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace emulator {

unsigned char* makeStack() {
  constexpr size_t page = 4096;
  void* memory = mmap(nullptr, STACK_BYTES + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  mprotect(memory, page, PROT_NONE);
  return static_cast<unsigned char*>(memory) + page;
}

#ifdef __x86_64__

// Pushes the registers that a call preserves, swaps the stacks and pops those of the other.
__asm__(
    ".text\n"
    ".type emulator_switch, @function\n"
    "emulator_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n"
    ".size emulator_switch, .-emulator_switch\n");
extern "C" void emulator_switch(void** from, void* to) __attribute__((visibility("hidden")));

void prepare(Context& context, unsigned char* stack, void (*entry)()) {
  // Six registers, the address to return to, and one word so that the entry finds the stack aligned as after a call.
  void** top = reinterpret_cast<void**>(stack + STACK_BYTES) - 8;
  for (int i = 0; i < 8; i++) top[i] = nullptr;
  top[6] = reinterpret_cast<void*>(entry);
  context.state = top;
}

void switchTo(Context& from, Context& to) { emulator_switch(&from.state, to.state); }

#else

void prepare(Context& context, unsigned char* stack, void (*entry)()) {
  if (context.state == nullptr) context.state = new ucontext_t;
  auto* state = static_cast<ucontext_t*>(context.state);
  getcontext(state);
  state->uc_stack.ss_sp = stack;
  state->uc_stack.ss_size = STACK_BYTES;
  state->uc_link = nullptr;
  makecontext(state, entry, 0);
}

void switchTo(Context& from, Context& to) {
  if (from.state == nullptr) from.state = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(from.state), static_cast<ucontext_t*>(to.state));
}

#endif

}  // namespace emulator
