;; The half-precision number whose bits are at an address, of any alignment.
(func $half (param $at i32) (result f32)
  (local $bits i32) (local $magnitude i32)
  (local.set $bits (i32.load16_u align=1 (local.get $at)))
  (local.set $magnitude (i32.shl (i32.and (local.get $bits) (i32.const 0x7fff)) (i32.const 13)))
  (f32.copysign
    (if (result f32) (i32.ge_u (local.get $magnitude) (i32.const 0x0f800000))
      ;; infinity and NaN
      (then (f32.reinterpret_i32 (i32.or (local.get $magnitude) (i32.const 0x7f800000))))
      ;; 2^112 moves the exponent from one bias to the other, subnormals included
      (else (f32.mul (f32.reinterpret_i32 (local.get $magnitude)) (f32.const 0x1p+112))))
    (f32.reinterpret_i32 (i32.shl (local.get $bits) (i32.const 16)))))
