#pragma once

// Floating point. What the GPU approximates is computed exactly rounded or nearly so: tests have tolerances for both.
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define EMULATOR_UNARY(name)       \
  extern "C" float name##f(float); \
  extern "C" double name(double);  \
  inline float name(float x) { return name##f(x); }
#define EMULATOR_BINARY(name)             \
  extern "C" float name##f(float, float); \
  extern "C" double name(double, double); \
  inline float name(float x, float y) { return name##f(x, y); }
EMULATOR_UNARY(exp)
EMULATOR_UNARY(exp2)
EMULATOR_UNARY(expm1)
EMULATOR_UNARY(log)
EMULATOR_UNARY(log2)
EMULATOR_UNARY(log10)
EMULATOR_UNARY(log1p)
EMULATOR_UNARY(sin)
EMULATOR_UNARY(cos)
EMULATOR_UNARY(tan)
EMULATOR_UNARY(asin)
EMULATOR_UNARY(acos)
EMULATOR_UNARY(atan)
EMULATOR_UNARY(sinh)
EMULATOR_UNARY(cosh)
EMULATOR_UNARY(tanh)
EMULATOR_UNARY(asinh)
EMULATOR_UNARY(acosh)
EMULATOR_UNARY(atanh)
EMULATOR_UNARY(erf)
EMULATOR_UNARY(erfc)
EMULATOR_UNARY(sqrt)
EMULATOR_UNARY(cbrt)
EMULATOR_UNARY(fabs)
EMULATOR_UNARY(floor)
EMULATOR_UNARY(ceil)
EMULATOR_UNARY(trunc)
EMULATOR_UNARY(round)
EMULATOR_UNARY(rint)
EMULATOR_UNARY(nearbyint)
EMULATOR_BINARY(pow)
EMULATOR_BINARY(fmod)
EMULATOR_BINARY(remainder)
EMULATOR_BINARY(atan2)
EMULATOR_BINARY(hypot)
EMULATOR_BINARY(fmin)
EMULATOR_BINARY(fmax)
EMULATOR_BINARY(copysign)
#undef EMULATOR_UNARY
#undef EMULATOR_BINARY
extern "C" float fmaf(float, float, float);
extern "C" double fma(double, double, double);
inline float fma(float a, float b, float c) { return fmaf(a, b, c); }
extern "C" float ldexpf(float, int);
extern "C" double ldexp(double, int);
extern "C" float scalbnf(float, int);
extern "C" long lrintf(float);
extern "C" void sincosf(float, float*, float*);
extern "C" void sincos(double, double*, double*);
extern "C" int abs(int);
inline float abs(float x) { return fabsf(x); }
inline double abs(double x) { return fabs(x); }
inline long long abs(long long x) { return x < 0 ? -x : x; }

inline bool isnan(float x) { return __builtin_isnan(x); }
inline bool isnan(double x) { return __builtin_isnan(x); }
inline bool isinf(float x) { return __builtin_isinf(x) != 0; }
inline bool isinf(double x) { return __builtin_isinf(x) != 0; }
inline bool isfinite(float x) { return __builtin_isfinite(x); }
inline bool isfinite(double x) { return __builtin_isfinite(x); }
inline bool signbit(float x) { return __builtin_signbit(x) != 0; }

inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return a < b ? b : a; }
inline unsigned min(unsigned a, unsigned b) { return b < a ? b : a; }
inline unsigned max(unsigned a, unsigned b) { return a < b ? b : a; }
inline unsigned min(int a, unsigned b) { return min((unsigned)a, b); }
inline unsigned max(int a, unsigned b) { return max((unsigned)a, b); }
inline unsigned min(unsigned a, int b) { return min(a, (unsigned)b); }
inline unsigned max(unsigned a, int b) { return max(a, (unsigned)b); }
inline long long min(long long a, long long b) { return b < a ? b : a; }
inline long long max(long long a, long long b) { return a < b ? b : a; }
inline unsigned long long min(unsigned long long a, unsigned long long b) { return b < a ? b : a; }
inline unsigned long long max(unsigned long long a, unsigned long long b) { return a < b ? b : a; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

namespace emulator {
// Keeps a product or a sum from being contracted into a fused multiply-add.
inline float rounded(float x) {
  __asm__ volatile("" : "+m"(x));
  return x;
}
inline double rounded(double x) {
  __asm__ volatile("" : "+m"(x));
  return x;
}
// Float to integer as the GPU converts: saturating, NaN is 0.
template <typename T>
inline T saturated(double x, T low, T high) {
  if (__builtin_isnan(x)) return 0;
  if (x <= (double)low) return low;
  if (x >= (double)high) return high;
  return (T)x;
}
inline int toInt(double x) { return saturated<int>(x, -2147483647 - 1, 2147483647); }
inline unsigned toUnsigned(double x) { return saturated<unsigned>(x, 0u, 4294967295u); }
inline long long toLong(double x) { return saturated<long long>(x, -9223372036854775807ll - 1, 9223372036854775807ll); }
}  // namespace emulator

inline float __fadd_rn(float a, float b) { return emulator::rounded(a + b); }
inline float __fsub_rn(float a, float b) { return emulator::rounded(a - b); }
inline float __fmul_rn(float a, float b) { return emulator::rounded(a * b); }
inline float __fdiv_rn(float a, float b) { return emulator::rounded(a / b); }
inline float __frcp_rn(float x) { return emulator::rounded(1.0f / x); }
inline float __fsqrt_rn(float x) { return emulator::rounded(sqrtf(x)); }
inline float __frsqrt_rn(float x) { return (float)(1.0 / sqrt((double)x)); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return emulator::rounded(a + b); }
inline double __dsub_rn(double a, double b) { return emulator::rounded(a - b); }
inline double __dmul_rn(double a, double b) { return emulator::rounded(a * b); }
inline double __ddiv_rn(double a, double b) { return emulator::rounded(a / b); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

inline float rsqrtf(float x) { return (float)(1.0 / sqrt((double)x)); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline float __expf(float x) { return (float)exp((double)x); }
inline float __exp10f(float x) { return (float)pow(10.0, (double)x); }
inline float exp10f(float x) { return (float)pow(10.0, (double)x); }
inline float __logf(float x) { return (float)log((double)x); }
inline float __log2f(float x) { return (float)log2((double)x); }
inline float __log10f(float x) { return (float)log10((double)x); }
inline float __sinf(float x) { return (float)sin((double)x); }
inline float __cosf(float x) { return (float)cos((double)x); }
inline float __tanf(float x) { return (float)tan((double)x); }
inline float __tanhf(float x) { return (float)tanh((double)x); }
inline void __sincosf(float x, float* s, float* c) {
  *s = __sinf(x);
  *c = __cosf(x);
}
inline float __powf(float x, float y) { return (float)pow((double)x, (double)y); }
inline float __fdividef(float a, float b) { return a / b; }
inline float fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return __builtin_isnan(x) ? 0.0f : fminf(fmaxf(x, 0.0f), 1.0f); }

inline double sinpi(double x) { return sin(3.14159265358979323846 * (x - 2.0 * floor(0.5 * x))); }
inline double cospi(double x) { return cos(3.14159265358979323846 * (x - 2.0 * floor(0.5 * x))); }
inline float sinpif(float x) { return (float)sinpi((double)x); }
inline float cospif(float x) { return (float)cospi((double)x); }
inline void sincospif(float x, float* s, float* c) {
  *s = sinpif(x);
  *c = cospif(x);
}

inline int __float2int_rn(float x) { return emulator::toInt(rint((double)x)); }
inline int __float2int_rz(float x) { return emulator::toInt(trunc((double)x)); }
inline int __float2int_rd(float x) { return emulator::toInt(floor((double)x)); }
inline int __float2int_ru(float x) { return emulator::toInt(ceil((double)x)); }
inline unsigned __float2uint_rn(float x) { return emulator::toUnsigned(rint((double)x)); }
inline unsigned __float2uint_rz(float x) { return emulator::toUnsigned(trunc((double)x)); }
inline unsigned __float2uint_rd(float x) { return emulator::toUnsigned(floor((double)x)); }
inline unsigned __float2uint_ru(float x) { return emulator::toUnsigned(ceil((double)x)); }
inline long long __float2ll_rn(float x) { return emulator::toLong(rint((double)x)); }
inline long long __float2ll_rz(float x) { return emulator::toLong(trunc((double)x)); }
inline int __double2int_rn(double x) { return emulator::toInt(rint(x)); }
inline int __double2int_rz(double x) { return emulator::toInt(trunc(x)); }
inline unsigned __double2uint_rn(double x) { return emulator::toUnsigned(rint(x)); }
inline unsigned __double2uint_rz(double x) { return emulator::toUnsigned(trunc(x)); }
inline long long __double2ll_rz(double x) { return emulator::toLong(trunc(x)); }
inline float __int2float_rn(int x) { return (float)x; }
inline float __uint2float_rn(unsigned x) { return (float)x; }
inline float __ll2float_rn(long long x) { return (float)x; }
inline float __ull2float_rn(unsigned long long x) { return (float)x; }
inline float __double2float_rn(double x) { return (float)x; }
inline double __int2double_rn(int x) { return (double)x; }
inline double __uint2double_rn(unsigned x) { return (double)x; }
