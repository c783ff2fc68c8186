#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "block.h"
#include "memory.h"

// State behind the entry points of the driver library. Work on streams is done in the order it was given, when
// something waits for it.
namespace emulator {

using Operation = std::function<void()>;

// Further ones than those of kernels.
enum Result : int {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201,
  NO_BINARY_FOR_GPU = 209,
  INVALID_HANDLE = 400,
  NOT_FOUND = 500,
  NOT_READY = 600,
  STREAM_CAPTURE_UNSUPPORTED = 900,
  STREAM_CAPTURE_INVALIDATED = 901,
  INVALID_CLUSTER_SIZE = 912,
};

// The primary context of a device.
struct DeviceContext {
  int device;
  int retained;
};

struct LoadedModule {
  const DeviceContext* context;
  void* library;
  const Module* module;
};

struct Function {
  LoadedModule* owner;
  unsigned maxDynamicShared;
};

struct Graph {
  std::vector<Operation> operations;
};

struct Stream {
  std::unique_ptr<Graph> capture;
};

struct Event {
  bool recorded = false;
  double milliseconds = 0;
};

struct Settings {
  int devices = 1;
  int major = 8, minor = 6;
  int version = 13000;
  int processors = 2;
  size_t memory = size_t(8) << 30;
  Schedule schedule = Schedule::forward;
  // Whether waiting, too, needs a current context on the calling thread.
  bool strictThreads = false;
};

struct Driver {
  std::recursive_mutex mutex;
  Settings settings;
  bool initialized = false;
  std::map<int, std::unique_ptr<DeviceContext>> contexts;
  Memory device, pinned;
  std::set<LoadedModule*> modules;
  std::map<std::string, Function*> functions;
  std::set<Stream*> streams;
  std::set<Event*> events;
  std::set<Graph*> graphs, executables;
  std::vector<Operation> queue;
  uint64_t launches = 0;

  // The first error of a kernel, which every call returns. On a real device it stays until the context is gone, here
  // until modules and memory are given back: one test's fault is not the next one's.
  int fault = 0;
  std::string faultText;

  std::map<std::string, unsigned long long> counts;
  struct Planned {
    int after;
    int result;
  };
  std::map<std::string, Planned> failures;

  void add(Stream* stream, Operation operation);
  // Does the work that is queued, until a kernel fails.
  void drain();
  // The same; returns the fault.
  int settle();
  // Forgets the fault once nothing is left that it may have damaged.
  void recover();
  bool capturing() const;
  int sharedLimit() const;
  int sharedPerProcessor() const;
};

Driver& driver();

// The context of the calling thread, or null.
extern thread_local const DeviceContext* currentContext;

// One call of an entry point: holds the lock, counts it, and says whether it is to fail.
class Call {
 public:
  explicit Call(const char* name);
  int result = 0;

 private:
  std::lock_guard<std::recursive_mutex> lock_;
};

}  // namespace emulator

// An entry point. `ENTER` returns planned failures and the fault of an earlier kernel.
#define API extern "C" __attribute__((visibility("default")))
#define ENTER(name)         \
  using namespace emulator; \
  const Call call(name);    \
  if (call.result != 0) return call.result;
#define ENTER_CONTEXT(name) \
  ENTER(name)               \
  if (currentContext == nullptr || currentContext->retained == 0) return INVALID_CONTEXT;
