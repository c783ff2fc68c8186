(module
(import "env" "memory" (memory 1 65536 shared))
;; (a + b) + (c + d)
(func $sum (param $v v128) (result f32)
  (f32.add
    (f32.add (f32x4.extract_lane 0 (local.get $v)) (f32x4.extract_lane 1 (local.get $v)))
    (f32.add (f32x4.extract_lane 2 (local.get $v)) (f32x4.extract_lane 3 (local.get $v)))))
(func $largest (param $v v128) (result f32)
  (f32.max
    (f32.max (f32x4.extract_lane 0 (local.get $v)) (f32x4.extract_lane 1 (local.get $v)))
    (f32.max (f32x4.extract_lane 2 (local.get $v)) (f32x4.extract_lane 3 (local.get $v)))))

;; Mean and 1 / sqrt(variance + epsilon) of a row of c channels, in two passes.
(func $moments (param $x i32) (result f32 f32)
  (local $at i32) (local $end i32) (local $total v128) (local $mean v128) (local $d v128) (local $m f32)
  (local.set $end (i32.add (local.get $x) (i32.const 384)))
  (local.set $at (local.get $x))
  (loop $sums
    (local.set $total (f32x4.add (local.get $total) (v128.load (local.get $at))))
    (local.set $at (i32.add (local.get $at) (i32.const 16)))
    (br_if $sums (i32.lt_u (local.get $at) (local.get $end))))
  (local.set $m (f32.div (call $sum (local.get $total)) (f32.const 96)))
  (local.set $mean (f32x4.splat (local.get $m)))
  (local.set $total (v128.const i32x4 0 0 0 0))
  (local.set $at (local.get $x))
  (loop $squares
    (local.set $d (f32x4.sub (v128.load (local.get $at)) (local.get $mean)))
    (local.set $total (f32x4.add (local.get $total) (f32x4.mul (local.get $d) (local.get $d))))
    (local.set $at (i32.add (local.get $at) (i32.const 16)))
    (br_if $squares (i32.lt_u (local.get $at) (local.get $end))))
  (local.get $m)
  (f32.div (f32.const 1) (f32.sqrt (f32.add
    (f32.div (call $sum (local.get $total)) (f32.const 96))
    (f32.const 0.000001)))))
;; Writes (x − mean)·rstd·(1 + scale) + shift to `to`.
(func $adaln (param $x i32) (param $shift i32) (param $scale i32) (param $to i32)
  (local $i i32) (local $mean v128) (local $rstd v128)
  (call $moments (local.get $x))
  (local.set $rstd (f32x4.splat))
  (local.set $mean (f32x4.splat))
  (loop $channels
    (v128.store (i32.add (local.get $to) (local.get $i))
      (call $modulate
        (v128.load (i32.add (local.get $x) (local.get $i))) (local.get $mean) (local.get $rstd)
        (v128.load (i32.add (local.get $scale) (local.get $i)))
        (v128.load (i32.add (local.get $shift) (local.get $i)))))
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br_if $channels (i32.lt_u (local.get $i) (i32.const 384))))
)
(func $modulate (param $x v128) (param $mean v128) (param $rstd v128) (param $scale v128) (param $shift v128) (result v128)
  (f32x4.add
    (f32x4.mul
      (f32x4.mul (f32x4.sub (local.get $x) (local.get $mean)) (local.get $rstd))
      (f32x4.add (v128.const f32x4 1 1 1 1) (local.get $scale)))
    (local.get $shift)))
(func $row (param $words i32) (param $x i32) (param $shift i32) (param $scale i32) (param $out i32)
  (call $adaln (local.get $x) (local.get $shift) (local.get $scale) (local.get $out)))
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
      (i32.add (i32.load offset=4 (local.get $words))
        (i32.shl (i32.mul (local.get $row) (i32.load offset=8 (local.get $words))) (i32.const 2)))
      (i32.add (i32.load offset=12 (local.get $words))
        (i32.shl (i32.mul (local.get $row) (i32.load offset=16 (local.get $words))) (i32.const 2)))
      (i32.add (i32.load offset=20 (local.get $words))
        (i32.shl (i32.mul (local.get $row) (i32.load offset=24 (local.get $words))) (i32.const 2)))
      (i32.add (i32.load offset=28 (local.get $words))
        (i32.shl (i32.mul (local.get $row) (i32.load offset=32 (local.get $words))) (i32.const 2)))
    )
    (local.set $row (i32.add (local.get $row) (i32.const 1)))
    (br $rows)))
)
