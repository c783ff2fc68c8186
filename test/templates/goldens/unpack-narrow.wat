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

;; The low halves of eight bytes, side by side, the first in the lowest bits.
(func $nibbles (param $bytes i64) (result i32)
  (local.set $bytes (i64.and (local.get $bytes) (i64.const 0x0f0f0f0f0f0f0f0f)))
  (local.set $bytes (i64.and (i64.or (local.get $bytes) (i64.shr_u (local.get $bytes) (i64.const 4)))
    (i64.const 0x00ff00ff00ff00ff)))
  (local.set $bytes (i64.and (i64.or (local.get $bytes) (i64.shr_u (local.get $bytes) (i64.const 8)))
    (i64.const 0x0000ffff0000ffff)))
  (i32.wrap_i64 (i64.or (local.get $bytes) (i64.shr_u (local.get $bytes) (i64.const 16)))))


(func (export "run") (param $words i32) (param $begin i32) (param $end i32)
  (local $lane i32) (local $channel i32) (local $from i32) (local $to i32) (local $word i32)
  (local $scaleTo i32) (local $block i32)
  ;; every argument: its address (of row 0) and its row stride in bytes
  (local $source i32) (local $sourceStride i32)
  (local $weights i32) (local $weightsStride i32)
  (local.set $source (i32.load offset=4 (local.get $words)))
  (local.set $sourceStride (i32.shl (i32.load offset=8 (local.get $words)) (i32.const 0)))
  (local.set $weights (i32.load offset=12 (local.get $words)))
  (local.set $weightsStride (i32.shl (i32.load offset=16 (local.get $words)) (i32.const 2)))
  (loop $panels
    (if (i32.ge_u (local.get $begin) (local.get $end)) (then (return)))
    (local.set $lane (i32.const 0))
    (loop $lanes
      (local.set $channel (i32.add (i32.mul (local.get $begin) (i32.const 8)) (local.get $lane)))
      (local.set $from (i32.add (local.get $source) (i32.mul (local.get $channel) (i32.const 54))))
      (local.set $to (i32.add (i32.add (local.get $weights) (i32.mul (local.get $begin) (i32.const 384)))
        (i32.shl (local.get $lane) (i32.const 2))))
      (local.set $word (i32.const 0))
      (local.set $scaleTo (i32.add (i32.add (local.get $weights) (i32.const 4608))
        (i32.add (i32.mul (local.get $begin) (i32.const 96)) (i32.shl (local.get $lane) (i32.const 2)))))
      (local.set $block (i32.const 0))
      (loop $blocks
        (if (i32.ge_u (local.get $channel) (i32.const 96))
          (then
            (f32.store (local.get $scaleTo) (f32.const 0))
            (i32.store offset=0 (local.get $to) (i32.const 0))
                        (i32.store offset=32 (local.get $to) (i32.const 0))
                        (i32.store offset=64 (local.get $to) (i32.const 0))
                        (i32.store offset=96 (local.get $to) (i32.const 0))
            )
          (else
            (f32.store (local.get $scaleTo) (call $half (local.get $from)))
            ;; elements i and i + 16 are the halves of byte i
            (i32.store offset=0 (local.get $to)
              (call $nibbles (i64.load offset=2 align=1 (local.get $from))))
            (i32.store offset=64 (local.get $to)
              (call $nibbles (i64.shr_u (i64.load offset=2 align=1 (local.get $from)) (i64.const 4))))
            (i32.store offset=32 (local.get $to)
              (call $nibbles (i64.load offset=10 align=1 (local.get $from))))
            (i32.store offset=96 (local.get $to)
              (call $nibbles (i64.shr_u (i64.load offset=10 align=1 (local.get $from)) (i64.const 4))))
            ))
        (local.set $from (i32.add (local.get $from) (i32.const 18)))
        (local.set $to (i32.add (local.get $to) (i32.const 128)))
        (local.set $scaleTo (i32.add (local.get $scaleTo) (i32.const 32)))
        (local.set $block (i32.add (local.get $block) (i32.const 1)))
        (br_if $blocks (i32.lt_u (local.get $block) (i32.const 3))))
      (local.set $lane (i32.add (local.get $lane) (i32.const 1)))
      (br_if $lanes (i32.lt_u (local.get $lane) (i32.const 8))))
    (local.set $begin (i32.add (local.get $begin) (i32.const 1)))
    (br $panels)))
)
