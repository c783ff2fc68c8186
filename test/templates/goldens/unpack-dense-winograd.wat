(module
(import "env" "memory" (memory 1 65536 shared))
(import "env" "scratch" (global $scratch i32))

(func $element (param $at i32) (result f32)
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


;; Three numbers `step` bytes apart to six: their polynomial at the points, over the product of a point's distances from
;; the others.
(func $expand (param $from i32) (param $step i32) (param $to i32) (param $toStep i32)
  (local $g0 f64) (local $g1 f64) (local $g2 f64) (local $even f64) (local $odd f64)
  (local.set $g0 (f64.load (local.get $from)))
  (local.set $g1 (f64.load (i32.add (local.get $from) (local.get $step))))
  (local.set $g2 (f64.load (i32.add (local.get $from) (i32.shl (local.get $step) (i32.const 1)))))
  (f64.store (local.get $to) (local.get $g0))
  (local.set $even (f64.mul (f64.const -0.6666666666666666)
    (f64.add (local.get $g0) (f64.mul (f64.const 0.5) (local.get $g2)))))
  (local.set $odd (f64.mul (f64.const -0.47140452079103168) (local.get $g1)))
  (local.set $to (i32.add (local.get $to) (local.get $toStep)))
  (f64.store (local.get $to) (f64.add (local.get $even) (local.get $odd)))
  (local.set $to (i32.add (local.get $to) (local.get $toStep)))
  (f64.store (local.get $to) (f64.sub (local.get $even) (local.get $odd)))
  (local.set $even (f64.mul (f64.const 0.16666666666666666)
    (f64.add (local.get $g0) (f64.mul (f64.const 2) (local.get $g2)))))
  (local.set $odd (f64.mul (f64.const 0.23570226039551584) (local.get $g1)))
  (local.set $to (i32.add (local.get $to) (local.get $toStep)))
  (f64.store (local.get $to) (f64.add (local.get $even) (local.get $odd)))
  (local.set $to (i32.add (local.get $to) (local.get $toStep)))
  (f64.store (local.get $to) (f64.sub (local.get $even) (local.get $odd)))
  (f64.store (i32.add (local.get $to) (local.get $toStep)) (local.get $g2)))

;; A filter's channel, whose taps are c elements apart, to 36 numbers `step` bytes apart.
(func $filter (param $from i32) (param $to i32) (param $step i32)
  (local $i i32)
  ;; nine taps at 0, six by three at 72, six by six at 216
  (loop $taps
    (f64.store (i32.add (global.get $scratch) (i32.shl (local.get $i) (i32.const 3)))
      (f64.promote_f32 (call $element (i32.add (local.get $from) (i32.mul (local.get $i) (i32.const 128))))))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $taps (i32.lt_u (local.get $i) (i32.const 9))))
  (call $expand (i32.add (global.get $scratch) (i32.const 0)) (i32.const 24)
    (i32.add (global.get $scratch) (i32.const 72)) (i32.const 24))
  (call $expand (i32.add (global.get $scratch) (i32.const 8)) (i32.const 24)
    (i32.add (global.get $scratch) (i32.const 80)) (i32.const 24))
  (call $expand (i32.add (global.get $scratch) (i32.const 16)) (i32.const 24)
    (i32.add (global.get $scratch) (i32.const 88)) (i32.const 24))
  (call $expand (i32.add (global.get $scratch) (i32.const 72)) (i32.const 8)
    (i32.add (global.get $scratch) (i32.const 216)) (i32.const 8))
  (call $expand (i32.add (global.get $scratch) (i32.const 96)) (i32.const 8)
    (i32.add (global.get $scratch) (i32.const 264)) (i32.const 8))
  (call $expand (i32.add (global.get $scratch) (i32.const 120)) (i32.const 8)
    (i32.add (global.get $scratch) (i32.const 312)) (i32.const 8))
  (call $expand (i32.add (global.get $scratch) (i32.const 144)) (i32.const 8)
    (i32.add (global.get $scratch) (i32.const 360)) (i32.const 8))
  (call $expand (i32.add (global.get $scratch) (i32.const 168)) (i32.const 8)
    (i32.add (global.get $scratch) (i32.const 408)) (i32.const 8))
  (call $expand (i32.add (global.get $scratch) (i32.const 192)) (i32.const 8)
    (i32.add (global.get $scratch) (i32.const 456)) (i32.const 8))
  (local.set $i (i32.const 0))
  (loop $products
    (f32.store (local.get $to) (f32.demote_f64
      (f64.load offset=216 (i32.add (global.get $scratch) (i32.shl (local.get $i) (i32.const 3))))))
    (local.set $to (i32.add (local.get $to) (local.get $step)))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $products (i32.lt_u (local.get $i) (i32.const 36)))))

(func $zeros (param $to i32) (param $step i32)
  (local $i i32)
  (loop $products
    (f32.store (local.get $to) (f32.const 0))
    (local.set $to (i32.add (local.get $to) (local.get $step)))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $products (i32.lt_u (local.get $i) (i32.const 36)))))

(func (export "run") (param $words i32) (param $begin i32) (param $end i32)
  (local $block i32) (local $panels i32) (local $step i32) (local $to i32) (local $at i32) (local $channel i32)
  (local $lane i32) (local $filter i32)
  ;; every argument: its address (of row 0) and its row stride in bytes
  (local $source i32) (local $sourceStride i32)
  (local $weights i32) (local $weightsStride i32)
  (local.set $source (i32.load offset=4 (local.get $words)))
  (local.set $sourceStride (i32.shl (i32.load offset=8 (local.get $words)) (i32.const 0)))
  (local.set $weights (i32.load offset=12 (local.get $words)))
  (local.set $weightsStride (i32.shl (i32.load offset=16 (local.get $words)) (i32.const 2)))
  (loop $each
    (if (i32.ge_u (local.get $begin) (local.get $end)) (then (return)))
    (local.set $block (i32.div_u (local.get $begin) (i32.const 8)))
    (local.set $panels (i32.sub (i32.const 9) (i32.mul (local.get $block) (i32.const 8))))
    (if (i32.gt_u (local.get $panels) (i32.const 8)) (then (local.set $panels (i32.const 8))))
    ;; bytes between the products of a block of channels
    (local.set $step (i32.mul (local.get $panels) (i32.const 1024)))
    (local.set $to (i32.add
      (i32.add (local.get $weights) (i32.mul (local.get $block) (i32.const 589824)))
      (i32.mul (i32.rem_u (local.get $begin) (i32.const 8)) (i32.const 1024))))
    (local.set $channel (i32.const 0))
    (loop $channels
      (local.set $at (i32.add
        (i32.add (local.get $to) (i32.mul (i32.div_u (local.get $channel) (i32.const 32))
          (i32.mul (local.get $step) (i32.const 36))))
        (i32.mul (i32.rem_u (local.get $channel) (i32.const 32)) (i32.const 32))))
      (local.set $lane (i32.const 0))
      (loop $lanes
        (local.set $filter (i32.add (i32.mul (local.get $begin) (i32.const 8)) (local.get $lane)))
        (if (i32.lt_u (local.get $filter) (i32.const 70))
          (then (call $filter
            (i32.add (local.get $source) (i32.mul (i32.const 2) (i32.add
              (i32.mul (local.get $filter) (i32.const 576)) (local.get $channel))))
            (local.get $at) (local.get $step)))
          (else (call $zeros (local.get $at) (local.get $step))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (local.set $lane (i32.add (local.get $lane) (i32.const 1)))
        (br_if $lanes (i32.lt_u (local.get $lane) (i32.const 8))))
      (local.set $channel (i32.add (local.get $channel) (i32.const 1)))
      (br_if $channels (i32.lt_u (local.get $channel) (i32.const 64))))
    (local.set $begin (i32.add (local.get $begin) (i32.const 1)))
    (br $each)))
)
