// Devices, contexts and memory of the emulated driver.
#include "driver.h"

#include <cstdio>
#include <cstring>

namespace emulator {

Driver& driver() {
  static Driver instance;
  return instance;
}

thread_local const DeviceContext* currentContext = nullptr;

namespace {
// Calls that give something back do so after a fault, too.
bool gives(const char* name) {
  for (const char* part : {"Free", "Destroy", "Unload", "Release"})
    if (std::strstr(name, part) != nullptr) return true;
  return false;
}
}  // namespace

Call::Call(const char* name) : lock_(driver().mutex) {
  Driver& state = driver();
  state.counts[name]++;
  const auto planned = state.failures.find(name);
  if (planned != state.failures.end() && planned->second.after-- == 0) {
    result = planned->second.result;
    state.failures.erase(planned);
    return;
  }
  if (!state.initialized && std::strcmp(name, "cuInit") != 0 && std::strcmp(name, "cuDriverGetVersion") != 0)
    result = NOT_INITIALIZED;
  else if (!gives(name))
    result = state.fault;
}

void Driver::add(Stream* stream, Operation operation) {
  if (stream != nullptr && stream->capture != nullptr)
    stream->capture->operations.push_back(std::move(operation));
  else
    queue.push_back(std::move(operation));
}

void Driver::drain() {
  std::vector<Operation> work;
  work.swap(queue);
  for (const Operation& operation : work) {
    if (fault != 0) return;
    operation();
  }
}

void Driver::recover() {
  if (!modules.empty() || device.count() > 0) return;
  fault = 0;
  queue.clear();
}

int Driver::settle() {
  drain();
  return fault;
}

bool Driver::capturing() const {
  for (const Stream* stream : streams)
    if (stream->capture != nullptr) return true;
  return false;
}

// CUDA C++ Programming Guide, technical specifications per compute capability.
int Driver::sharedPerProcessor() const {
  switch (settings.major * 10 + settings.minor) {
    case 70:
      return 96 << 10;
    case 75:
      return 64 << 10;
    case 80:
    case 87:
      return 164 << 10;
    case 90:
    case 100:
    case 103:
      return 228 << 10;
    default:
      return 100 << 10;
  }
}
int Driver::sharedLimit() const {
  const int all = sharedPerProcessor();
  return all <= 96 << 10 ? all : all - 1024;
}

}  // namespace emulator

API int cuInit(unsigned flags) {
  ENTER("cuInit")
  if (flags != 0) return INVALID_VALUE;
  if (driver().settings.devices == 0) return NO_DEVICE;
  driver().initialized = true;
  return SUCCESS;
}
API int cuDriverGetVersion(int* version) {
  ENTER("cuDriverGetVersion")
  *version = driver().settings.version;
  return SUCCESS;
}
API int cuDeviceGetCount(int* count) {
  ENTER("cuDeviceGetCount")
  *count = driver().settings.devices;
  return SUCCESS;
}
API int cuDeviceGet(int* device, int ordinal) {
  ENTER("cuDeviceGet")
  if (ordinal < 0 || ordinal >= driver().settings.devices) return INVALID_DEVICE;
  *device = ordinal;
  return SUCCESS;
}
API int cuDeviceGetName(char* name, int length, int) {
  ENTER("cuDeviceGetName")
  std::snprintf(name, length, "Emulated sm_%d%d", driver().settings.major, driver().settings.minor);
  return SUCCESS;
}
API int cuDeviceGetAttribute(int* value, int attribute, int device) {
  ENTER("cuDeviceGetAttribute")
  const Settings& settings = driver().settings;
  if (device < 0 || device >= settings.devices) return INVALID_DEVICE;
  switch (attribute) {
    case 1:  // threads per block
      *value = 1024;
      return SUCCESS;
    case 8:  // shared memory per block without opting in
      *value = 48 << 10;
      return SUCCESS;
    case 10:  // warp size
      *value = 32;
      return SUCCESS;
    case 16:
      *value = settings.processors;
      return SUCCESS;
    case 75:
      *value = settings.major;
      return SUCCESS;
    case 76:
      *value = settings.minor;
      return SUCCESS;
    case 81:
      *value = driver().sharedPerProcessor();
      return SUCCESS;
    case 97:
      *value = driver().sharedLimit();
      return SUCCESS;
    default:
      return INVALID_VALUE;
  }
}
API int cuDeviceTotalMem_v2(size_t* bytes, int) {
  ENTER("cuDeviceTotalMem_v2")
  *bytes = driver().settings.memory;
  return SUCCESS;
}
API int cuDevicePrimaryCtxRetain(void** context, int device) {
  ENTER("cuDevicePrimaryCtxRetain")
  if (device < 0 || device >= driver().settings.devices) return INVALID_DEVICE;
  auto& primary = driver().contexts[device];
  if (primary == nullptr) primary = std::make_unique<DeviceContext>(DeviceContext{device, 0});
  primary->retained++;
  *context = primary.get();
  return SUCCESS;
}
API int cuDevicePrimaryCtxRelease_v2(int device) {
  ENTER("cuDevicePrimaryCtxRelease_v2")
  const auto found = driver().contexts.find(device);
  if (found == driver().contexts.end() || found->second->retained == 0) return INVALID_CONTEXT;
  driver().drain();
  found->second->retained--;
  return SUCCESS;
}
API int cuCtxSetCurrent(void* context) {
  ENTER("cuCtxSetCurrent")
  currentContext = nullptr;
  if (context == nullptr) return SUCCESS;
  for (const auto& known : driver().contexts)
    if (known.second.get() == context && known.second->retained > 0) currentContext = known.second.get();
  return currentContext == nullptr ? INVALID_CONTEXT : SUCCESS;
}
API int cuMemGetInfo_v2(size_t* free, size_t* total) {
  ENTER_CONTEXT("cuMemGetInfo_v2")
  *total = driver().settings.memory;
  *free = *total - driver().device.bytes();
  return SUCCESS;
}

API int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  ENTER_CONTEXT("cuMemAlloc_v2")
  if (bytes == 0) return INVALID_VALUE;
  if (driver().capturing()) return STREAM_CAPTURE_UNSUPPORTED;
  *address = driver().device.allocate(bytes, driver().settings.memory);
  return *address == 0 ? OUT_OF_MEMORY : SUCCESS;
}
API int cuMemFree_v2(uint64_t address) {
  ENTER_CONTEXT("cuMemFree_v2")
  if (address == 0) return SUCCESS;
  if (driver().capturing()) return STREAM_CAPTURE_UNSUPPORTED;
  const int result = driver().settle();
  const bool known = driver().device.release(address);
  driver().recover();
  return known ? result : INVALID_VALUE;
}
API int cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  ENTER_CONTEXT("cuMemHostAlloc")
  if (bytes == 0) return INVALID_VALUE;
  *address = reinterpret_cast<void*>(driver().pinned.allocate(bytes, SIZE_MAX));
  return *address == nullptr ? OUT_OF_MEMORY : SUCCESS;
}
API int cuMemFreeHost(void* address) {
  ENTER("cuMemFreeHost")
  const int result = driver().settle();
  return driver().pinned.release(reinterpret_cast<uint64_t>(address)) ? result : INVALID_VALUE;
}

API int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream) {
  ENTER_CONTEXT("cuMemcpyHtoDAsync_v2")
  if (!driver().device.holds(to, bytes)) return INVALID_VALUE;
  if (driver().pinned.holds(reinterpret_cast<uint64_t>(from), bytes)) {
    driver().add(static_cast<Stream*>(stream), [=] { std::memcpy(reinterpret_cast<void*>(to), from, bytes); });
    return SUCCESS;
  }
  // Memory that is not pinned is copied before the call returns.
  const auto* start = static_cast<const unsigned char*>(from);
  const auto copy = std::make_shared<std::vector<unsigned char>>(start, start + bytes);
  driver().add(static_cast<Stream*>(stream), [=] { std::memcpy(reinterpret_cast<void*>(to), copy->data(), bytes); });
  return SUCCESS;
}
API int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
  ENTER_CONTEXT("cuMemcpyDtoHAsync_v2")
  if (!driver().device.holds(from, bytes)) return INVALID_VALUE;
  driver().add(static_cast<Stream*>(stream), [=] { std::memcpy(to, reinterpret_cast<const void*>(from), bytes); });
  // To memory that is not pinned, the call returns after the copy.
  const bool isPinned = driver().pinned.holds(reinterpret_cast<uint64_t>(to), bytes);
  return isPinned || driver().capturing() ? SUCCESS : driver().settle();
}
API int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream) {
  ENTER_CONTEXT("cuMemcpyDtoDAsync_v2")
  if (!driver().device.holds(from, bytes) || !driver().device.holds(to, bytes)) return INVALID_VALUE;
  driver().add(static_cast<Stream*>(stream),
               [=] { std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes); });
  return SUCCESS;
}
API int cuMemsetD32Async(uint64_t to, unsigned value, size_t words, void* stream) {
  ENTER_CONTEXT("cuMemsetD32Async")
  if (to % 4 != 0 || !driver().device.holds(to, words * 4)) return INVALID_VALUE;
  driver().add(static_cast<Stream*>(stream), [=] {
    for (size_t i = 0; i < words; i++) reinterpret_cast<unsigned*>(to)[i] = value;
  });
  return SUCCESS;
}
API int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void* stream) {
  ENTER_CONTEXT("cuMemsetD8Async")
  if (!driver().device.holds(to, bytes)) return INVALID_VALUE;
  driver().add(static_cast<Stream*>(stream), [=] { std::memset(reinterpret_cast<void*>(to), value, bytes); });
  return SUCCESS;
}
