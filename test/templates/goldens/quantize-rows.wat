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

;; One row: peak = max|x|; q = round-half-even(x · (127 / peak)); scale = peak / 127; sum = Σ q. A peak below 2^-100
;; counts as 0. Adding 1.5·2^23 rounds to even and leaves the code in the low bits.
(func $quantize (param $x i32) (param $q i32) (param $rowScale i32) (param $rowSum i32)
  (local $at i32) (local $end i32) (local $peaks v128) (local $peak f32) (local $inverse v128) (local $sums v128)
  (local $c0 v128) (local $c1 v128) (local $c2 v128) (local $c3 v128)
  (local.set $end (i32.add (local.get $x) (i32.const 288)))
  (local.set $at (local.get $x))
  (loop $maxima
    (local.set $peaks (f32x4.pmax (local.get $peaks) (f32x4.abs (v128.load (local.get $at)))))
    (local.set $at (i32.add (local.get $at) (i32.const 16)))
    (br_if $maxima (i32.lt_u (local.get $at) (local.get $end))))
  (local.set $peak (call $largest (local.get $peaks)))
  (if (f32.lt (local.get $peak) (f32.const 0x1p-100))
    (then (local.set $peak (f32.const 0)))
    (else (local.set $inverse (f32x4.splat (f32.div (f32.const 127) (local.get $peak))))))
  (local.set $at (local.get $x))
  (local.set $end (i32.add (local.get $x) (i32.const 256)))
  (loop $codes
    (local.set $c0 (call $codes (v128.load offset=0 (local.get $at)) (local.get $inverse)))
    (local.set $c1 (call $codes (v128.load offset=16 (local.get $at)) (local.get $inverse)))
    (local.set $c2 (call $codes (v128.load offset=32 (local.get $at)) (local.get $inverse)))
    (local.set $c3 (call $codes (v128.load offset=48 (local.get $at)) (local.get $inverse)))
    (local.set $sums (i32x4.add (local.get $sums) (i32x4.add
      (i32x4.add (local.get $c0) (local.get $c1)) (i32x4.add (local.get $c2) (local.get $c3)))))
    (v128.store (local.get $q) (i8x16.narrow_i16x8_s
      (i16x8.narrow_i32x4_s (local.get $c0) (local.get $c1))
      (i16x8.narrow_i32x4_s (local.get $c2) (local.get $c3))))
    (local.set $at (i32.add (local.get $at) (i32.const 64)))
    (local.set $q (i32.add (local.get $q) (i32.const 16)))
    (br_if $codes (i32.lt_u (local.get $at) (local.get $end))))
  (local.set $c0 (call $codes (v128.load offset=0 (local.get $at)) (local.get $inverse)))
  (local.set $c1 (call $codes (v128.load offset=16 (local.get $at)) (local.get $inverse)))
  (local.set $c2 (v128.const i32x4 0 0 0 0))
  (local.set $c3 (v128.const i32x4 0 0 0 0))
    (local.set $sums (i32x4.add (local.get $sums) (i32x4.add
      (i32x4.add (local.get $c0) (local.get $c1)) (i32x4.add (local.get $c2) (local.get $c3)))))
    (v128.store (local.get $q) (i8x16.narrow_i16x8_s
      (i16x8.narrow_i32x4_s (local.get $c0) (local.get $c1))
      (i16x8.narrow_i32x4_s (local.get $c2) (local.get $c3))))
  (f32.store (local.get $rowScale) (f32.div (local.get $peak) (f32.const 127)))
  (i32.store (local.get $rowSum) (i32.add
    (i32.add (i32x4.extract_lane 0 (local.get $sums)) (i32x4.extract_lane 1 (local.get $sums)))
    (i32.add (i32x4.extract_lane 2 (local.get $sums)) (i32x4.extract_lane 3 (local.get $sums))))))
(func $codes (param $x v128) (param $inverse v128) (result v128)
  (i32x4.sub
    (f32x4.add (f32x4.mul (local.get $x) (local.get $inverse)) (v128.const f32x4 12582912 12582912 12582912 12582912))
    (v128.const f32x4 12582912 12582912 12582912 12582912)))
(func $row (param $words i32) (param $x i32) (param $q i32) (param $rowScale i32) (param $rowSum i32)
  (call $quantize (local.get $x) (local.get $q) (local.get $rowScale) (local.get $rowSum)))
;; Calls $row with the address of each argument at each row of tiles of 56 rows.
(func (export "run") (param $words i32) (param $begin i32) (param $end i32)
  (local $row i32)
  (local.set $row (i32.mul (local.get $begin) (i32.const 56)))
  (local.set $end (i32.mul (local.get $end) (i32.const 56)))
  (if (i32.gt_u (local.get $end) (i32.load (local.get $words)))
    (then (local.set $end (i32.load (local.get $words)))))
  (loop $rows
    (if (i32.ge_u (local.get $row) (local.get $end)) (then (return)))
    (call $row (local.get $words)
      (i32.add (i32.load offset=4 (local.get $words))
        (i32.shl (i32.mul (local.get $row) (i32.load offset=8 (local.get $words))) (i32.const 2)))
      (i32.add (i32.load offset=12 (local.get $words))
        (i32.shl (i32.mul (local.get $row) (i32.load offset=16 (local.get $words))) (i32.const 0)))
      (i32.add (i32.load offset=20 (local.get $words))
        (i32.shl (i32.mul (local.get $row) (i32.load offset=24 (local.get $words))) (i32.const 2)))
      (i32.add (i32.load offset=28 (local.get $words))
        (i32.shl (i32.mul (local.get $row) (i32.load offset=32 (local.get $words))) (i32.const 2)))
    )
    (local.set $row (i32.add (local.get $row) (i32.const 1)))
    (br $rows)))
)
