(module
(import "env" "memory" (memory 1 65536 shared))

(func (export "run") (param $words i32) (param $begin i32) (param $end i32)
  (local $channel i32) (local $last i32) (local $base i32) (local $k i32) (local $lane i32) (local $in i32)
  (local $byte i32) (local $left i32) (local $at i32) (local $shift i32) (local $quotient i32)
  ;; every argument: its address (of row 0) and its row stride in bytes
  (local $trits i32) (local $tritsStride i32)
  (local $weights i32) (local $weightsStride i32)
  (local.set $trits (i32.load offset=4 (local.get $words)))
  (local.set $tritsStride (i32.shl (i32.load offset=8 (local.get $words)) (i32.const 0)))
  (local.set $weights (i32.load offset=12 (local.get $words)))
  (local.set $weightsStride (i32.shl (i32.load offset=16 (local.get $words)) (i32.const 2)))
  (loop $blocks
    (if (i32.ge_u (local.get $begin) (local.get $end)) (then (return)))
    (local.set $base (i32.add (local.get $weights) (i32.mul (local.get $begin) (i32.const 160))))
    (memory.fill (local.get $base) (i32.const 0) (i32.const 160))
    (local.set $channel (i32.mul (local.get $begin) (i32.const 8)))
    (local.set $last (i32.add (local.get $channel) (i32.const 8)))
    (if (i32.gt_u (local.get $last) (i32.const 96)) (then (local.set $last (i32.const 96))))
    (local.set $lane (i32.const 0))
    (loop $channels
      (local.set $in (i32.add (local.get $trits) (i32.mul (local.get $channel) (i32.const 16))))
      (local.set $left (i32.const 0))
      (local.set $k (i32.const 0))
      (loop $codes
        (if (i32.eqz (local.get $left)) (then
          (local.set $byte (i32.load8_u (local.get $in)))
          (local.set $in (i32.add (local.get $in) (i32.const 1)))
          (local.set $left (i32.const 5))))
        ;; b / 3 for bytes
        (local.set $quotient (i32.shr_u (i32.mul (local.get $byte) (i32.const 171)) (i32.const 9)))
        (local.set $at (i32.add
          (i32.shl (i32.shr_u (local.get $k) (i32.const 3)) (i32.const 4))
          (i32.add
            (i32.shl (i32.and (local.get $lane) (i32.const 3)) (i32.const 2))
            (i32.and (local.get $k) (i32.const 3)))))
        (local.set $shift (i32.add
          (i32.and (local.get $k) (i32.const 4))
          (i32.shl (i32.shr_u (local.get $lane) (i32.const 2)) (i32.const 1))))
        (local.set $at (i32.add (local.get $base) (local.get $at)))
        (i32.store8 (local.get $at) (i32.or (i32.load8_u (local.get $at))
          (i32.shl
            (i32.sub (local.get $byte) (i32.mul (local.get $quotient) (i32.const 3)))
            (local.get $shift))))
        (local.set $byte (local.get $quotient))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (local.set $k (i32.add (local.get $k) (i32.const 1)))
        (br_if $codes (i32.lt_u (local.get $k) (i32.const 80))))
      (local.set $lane (i32.add (local.get $lane) (i32.const 1)))
      (local.set $channel (i32.add (local.get $channel) (i32.const 1)))
      (br_if $channels (i32.lt_u (local.get $channel) (local.get $last))))
    (local.set $begin (i32.add (local.get $begin) (i32.const 1)))
    (br $blocks)))
)
