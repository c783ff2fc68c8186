(module
(import "env" "memory" (memory 1 65536 shared))
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

(func $row (param $words i32) (param $table i32) (param $indices i32) (param $out i32)
  (local $index i32) (local $rows i32)
  (local $end i32) (local $v v128)
  (local $scale v128)
  (local.set $rows (i32.load offset=28 (local.get $words)))
  (local.set $index (i32.load (local.get $indices)))
  (if (i32.lt_s (local.get $index) (i32.const 0))
    (then (local.set $index (i32.add (local.get $index) (local.get $rows)))))
  (if (i32.lt_s (local.get $index) (i32.const 0)) (then (local.set $index (i32.const 0))))
  (if (i32.ge_s (local.get $index) (local.get $rows))
    (then (local.set $index (i32.sub (local.get $rows) (i32.const 1)))))
  (local.set $table (i32.add (local.get $table) (i32.shl
    (i32.mul (local.get $index) (i32.load offset=8 (local.get $words))) (i32.const 0))))
  (local.set $end (i32.add (local.get $out) (i32.const 384)))
  (loop $blocks
    (local.set $scale (f32x4.splat (call $half (local.get $table))))
    (local.set $v (i32x4.extend_low_i16x8_s (i16x8.extend_low_i8x16_s
      (v128.load32_zero offset=2 align=1 (local.get $table)))))
    (v128.store offset=0 (local.get $out)
      (f32x4.mul (local.get $scale) (f32x4.convert_i32x4_s (local.get $v))))
    (local.set $v (i32x4.extend_low_i16x8_s (i16x8.extend_low_i8x16_s
      (v128.load32_zero offset=6 align=1 (local.get $table)))))
    (v128.store offset=16 (local.get $out)
      (f32x4.mul (local.get $scale) (f32x4.convert_i32x4_s (local.get $v))))
    (local.set $v (i32x4.extend_low_i16x8_s (i16x8.extend_low_i8x16_s
      (v128.load32_zero offset=10 align=1 (local.get $table)))))
    (v128.store offset=32 (local.get $out)
      (f32x4.mul (local.get $scale) (f32x4.convert_i32x4_s (local.get $v))))
    (local.set $v (i32x4.extend_low_i16x8_s (i16x8.extend_low_i8x16_s
      (v128.load32_zero offset=14 align=1 (local.get $table)))))
    (v128.store offset=48 (local.get $out)
      (f32x4.mul (local.get $scale) (f32x4.convert_i32x4_s (local.get $v))))
    (local.set $v (i32x4.extend_low_i16x8_s (i16x8.extend_low_i8x16_s
      (v128.load32_zero offset=18 align=1 (local.get $table)))))
    (v128.store offset=64 (local.get $out)
      (f32x4.mul (local.get $scale) (f32x4.convert_i32x4_s (local.get $v))))
    (local.set $v (i32x4.extend_low_i16x8_s (i16x8.extend_low_i8x16_s
      (v128.load32_zero offset=22 align=1 (local.get $table)))))
    (v128.store offset=80 (local.get $out)
      (f32x4.mul (local.get $scale) (f32x4.convert_i32x4_s (local.get $v))))
    (local.set $v (i32x4.extend_low_i16x8_s (i16x8.extend_low_i8x16_s
      (v128.load32_zero offset=26 align=1 (local.get $table)))))
    (v128.store offset=96 (local.get $out)
      (f32x4.mul (local.get $scale) (f32x4.convert_i32x4_s (local.get $v))))
    (local.set $v (i32x4.extend_low_i16x8_s (i16x8.extend_low_i8x16_s
      (v128.load32_zero offset=30 align=1 (local.get $table)))))
    (v128.store offset=112 (local.get $out)
      (f32x4.mul (local.get $scale) (f32x4.convert_i32x4_s (local.get $v))))
    (local.set $table (i32.add (local.get $table) (i32.const 34)))
    (local.set $out (i32.add (local.get $out) (i32.const 128)))
    (br_if $blocks (i32.lt_u (local.get $out) (local.get $end)))))
;; Calls $row with the address of each argument at each row of tiles of 42 rows.
(func (export "run") (param $words i32) (param $begin i32) (param $end i32)
  (local $row i32)
  (local.set $row (i32.mul (local.get $begin) (i32.const 42)))
  (local.set $end (i32.mul (local.get $end) (i32.const 42)))
  (if (i32.gt_u (local.get $end) (i32.load (local.get $words)))
    (then (local.set $end (i32.load (local.get $words)))))
  (loop $rows
    (if (i32.ge_u (local.get $row) (local.get $end)) (then (return)))
    (call $row (local.get $words)
      (i32.load offset=4 (local.get $words))
      (i32.add (i32.load offset=12 (local.get $words))
        (i32.shl (i32.mul (local.get $row) (i32.load offset=16 (local.get $words))) (i32.const 2)))
      (i32.add (i32.load offset=20 (local.get $words))
        (i32.shl (i32.mul (local.get $row) (i32.load offset=24 (local.get $words))) (i32.const 2)))
    )
    (local.set $row (i32.add (local.get $row) (i32.const 1)))
    (br $rows)))
)
