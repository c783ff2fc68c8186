// Names of errors, and what tests set and ask besides the driver's own entry points.
#include "driver.h"

namespace {

struct Named {
  int result;
  const char* name;
  const char* text;
};
const Named NAMES[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
};

const Named* named(int result) {
  for (const Named& entry : NAMES)
    if (entry.result == result) return &entry;
  return nullptr;
}

}  // namespace

API int cuGetErrorName(int result, const char** name) {
  const Named* entry = named(result);
  *name = entry == nullptr ? nullptr : entry->name;
  return entry == nullptr ? emulator::INVALID_VALUE : 0;
}
// The text of a kernel's fault names the block, the thread and what it did.
API int cuGetErrorString(int result, const char** text) {
  const Named* entry = named(result);
  *text = entry == nullptr ? nullptr : entry->text;
  static std::string detailed;
  if (entry != nullptr && result != 0 && result == emulator::driver().fault) {
    detailed = emulator::driver().faultText;
    *text = detailed.c_str();
  }
  return entry == nullptr ? emulator::INVALID_VALUE : 0;
}

API int fakeLiveObjects() {
  const emulator::Driver& state = emulator::driver();
  int retained = 0;
  for (const auto& context : state.contexts) retained += context.second->retained;
  return retained + (int)(state.modules.size() + state.device.count() + state.pinned.count() + state.streams.size() +
                          state.events.size() + state.graphs.size() + state.executables.size());
}
API size_t fakeDeviceBytes() { return emulator::driver().device.bytes(); }
API unsigned long long fakeCount(const char* call) { return emulator::driver().counts[call]; }
API void fakeFail(const char* call, int after, int result) { emulator::driver().failures[call] = {after, result}; }
API void fakeReset() {
  emulator::Driver& state = emulator::driver();
  state.settings = emulator::Settings();
  state.failures.clear();
  state.counts.clear();
  state.fault = 0;
  state.faultText.clear();
}
API void fakeSetDevices(int count) { emulator::driver().settings.devices = count; }
API void fakeSetCapability(int major, int minor) {
  emulator::driver().settings.major = major;
  emulator::driver().settings.minor = minor;
}
API void fakeSetVersion(int version) { emulator::driver().settings.version = version; }
API void fakeSetMemory(size_t bytes) { emulator::driver().settings.memory = bytes; }
API void fakeSetProcessors(int count) { emulator::driver().settings.processors = count; }
API void fakeSetSchedule(int schedule) { emulator::driver().settings.schedule = (emulator::Schedule)schedule; }
API void fakeSetStrictThreads(int strict) { emulator::driver().settings.strictThreads = strict != 0; }
