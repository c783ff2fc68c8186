



(module
(import "env" "memory" (memory 1 65536 shared))

;; e^x. x = n·ln 2 + r, |r| ≤ ln 2 / 2; e^r by Cephes' polynomial (relative error below 1.2e-7); 2^n goes into the
;; exponent. inf above 88.7228; 0 below −87.3365, where f32 is subnormal; NaN stays.
(func $exp (param $x v128) (result v128)
  (local $t v128) (local $n v128) (local $r v128) (local $y v128)
  ;; adding 1.5·2^23 rounds to an integer, which is then also in the low bits
  (local.set $r (f32x4.pmin (f32x4.pmax (local.get $x)
    (v128.const f32x4 -87.3365 -87.3365 -87.3365 -87.3365))
    (v128.const f32x4 88.7228 88.7228 88.7228 88.7228)))
  (local.set $t (f32x4.add
    (f32x4.mul (local.get $r) (v128.const f32x4 1.44269504 1.44269504 1.44269504 1.44269504))
    (v128.const f32x4 12582912 12582912 12582912 12582912)))
  (local.set $n (f32x4.sub (local.get $t) (v128.const f32x4 12582912 12582912 12582912 12582912)))
  ;; ln 2 in two parts; the first has so few bits that n·part is exact
  (local.set $r (f32x4.sub (local.get $r)
    (f32x4.mul (local.get $n) (v128.const f32x4 0.693359375 0.693359375 0.693359375 0.693359375))))
  (local.set $r (f32x4.add (local.get $r)
    (f32x4.mul (local.get $n) (v128.const f32x4 2.12194440e-4 2.12194440e-4 2.12194440e-4 2.12194440e-4))))
  (local.set $y (f32x4.mul (local.get $r)
    (v128.const f32x4 1.9875691500e-4 1.9875691500e-4 1.9875691500e-4 1.9875691500e-4)))
  (local.set $y (f32x4.mul (local.get $r) (f32x4.add (local.get $y)
    (v128.const f32x4 1.3981999507e-3 1.3981999507e-3 1.3981999507e-3 1.3981999507e-3))))
  (local.set $y (f32x4.mul (local.get $r) (f32x4.add (local.get $y)
    (v128.const f32x4 8.3334519073e-3 8.3334519073e-3 8.3334519073e-3 8.3334519073e-3))))
  (local.set $y (f32x4.mul (local.get $r) (f32x4.add (local.get $y)
    (v128.const f32x4 4.1665795894e-2 4.1665795894e-2 4.1665795894e-2 4.1665795894e-2))))
  (local.set $y (f32x4.mul (local.get $r) (f32x4.add (local.get $y)
    (v128.const f32x4 1.6666665459e-1 1.6666665459e-1 1.6666665459e-1 1.6666665459e-1))))
  (local.set $y (f32x4.mul (f32x4.mul (local.get $r) (local.get $r)) (f32x4.add (local.get $y)
    (v128.const f32x4 5.0000001201e-1 5.0000001201e-1 5.0000001201e-1 5.0000001201e-1))))
  (local.set $y (f32x4.add (f32x4.add (local.get $y) (local.get $r)) (v128.const f32x4 1 1 1 1)))
  (local.set $y (i32x4.add (local.get $y) (i32x4.shl (local.get $t) (i32.const 23))))
  (local.set $y (v128.andnot (local.get $y)
    (f32x4.lt (local.get $x) (v128.const f32x4 -87.3365 -87.3365 -87.3365 -87.3365))))
  (local.set $y (v128.bitselect (v128.const f32x4 inf inf inf inf) (local.get $y)
    (f32x4.gt (local.get $x) (v128.const f32x4 88.7228 88.7228 88.7228 88.7228))))
  (v128.bitselect (local.get $y) (local.get $x) (f32x4.eq (local.get $x) (local.get $x))))

;; x/2·(1 + tanh u) = x / (1 + e^−2u), u = sqrt(2/π)·(x + 0.044715·x³)
(func $geluTanh (param $x v128) (result v128)
  (f32x4.div (local.get $x) (f32x4.add (v128.const f32x4 1 1 1 1)
    (call $exp (f32x4.mul
      (f32x4.mul (local.get $x) (v128.const f32x4 -1.59576912 -1.59576912 -1.59576912 -1.59576912))
      (f32x4.add (v128.const f32x4 1 1 1 1) (f32x4.mul
        (f32x4.mul (local.get $x) (local.get $x))
        (v128.const f32x4 0.044715 0.044715 0.044715 0.044715))))))))


;; Stores four columns of the product, y, after bias, activation, and gate and residual.
(func $store (param $words i32) (param $row i32) (param $column i32) (param $y v128)
  (local $at i32)
  (local $bias i32)
  (local $out i32)
  (local.set $bias (i32.load offset=36 (local.get $words)))
  (local.set $out (i32.add (i32.load offset=44 (local.get $words))
    (i32.shl (i32.mul (local.get $row) (i32.load offset=48 (local.get $words))) (i32.const 2))))
  (local.set $at (i32.shl (local.get $column) (i32.const 2)))
  (local.set $y (f32x4.add (local.get $y) (v128.load (i32.add (local.get $bias) (local.get $at)))))
  (local.set $y (call $geluTanh (local.get $y)))
  (local.set $at (i32.add (local.get $out) (local.get $at)))
  (v128.store (local.get $at) (local.get $y)))

(func $block2 (param $words i32) (param $row i32) (param $column i32)
  (local $w i32) (local $k i32) (local $kEnd i32)
  (local $code v128) (local $t v128) (local $low v128) (local $high v128)
  (local $q0 i32) (local $x0 v128)
  (local $low00 v128) (local $high00 v128) (local $sum00 v128)
  (local $low01 v128) (local $high01 v128) (local $sum01 v128)
  (local $q1 i32) (local $x1 v128)
  (local $low10 v128) (local $high10 v128) (local $sum10 v128)
  (local $low11 v128) (local $high11 v128) (local $sum11 v128)
  ;; every argument: its address (of row 0) and its row stride in bytes
  (local $q i32) (local $qStride i32)
  (local $rowScale i32) (local $rowScaleStride i32)
  (local $weights i32) (local $weightsStride i32)
  (local $scales i32) (local $scalesStride i32)
  (local.set $q (i32.load offset=4 (local.get $words)))
  (local.set $qStride (i32.shl (i32.load offset=8 (local.get $words)) (i32.const 0)))
  (local.set $rowScale (i32.load offset=12 (local.get $words)))
  (local.set $rowScaleStride (i32.shl (i32.load offset=16 (local.get $words)) (i32.const 2)))
  (local.set $weights (i32.load offset=20 (local.get $words)))
  (local.set $weightsStride (i32.shl (i32.load offset=24 (local.get $words)) (i32.const 2)))
  (local.set $scales (i32.load offset=28 (local.get $words)))
  (local.set $scalesStride (i32.shl (i32.load offset=32 (local.get $words)) (i32.const 2)))
  (local.set $w (i32.add (local.get $weights) (i32.mul (local.get $column) (i32.const 20))))
  (local.set $scales (i32.add (local.get $scales) (i32.mul (local.get $column) (i32.const 12))))
  (local.set $q0 (i32.add (local.get $q) (i32.mul (i32.add (local.get $row) (i32.const 0)) (local.get $qStride))))
  (local.set $q1 (i32.add (local.get $q) (i32.mul (i32.add (local.get $row) (i32.const 1)) (local.get $qStride))))
  (loop $chunks
    (local.set $kEnd (i32.add (local.get $k) (i32.const 32)))
    (if (i32.gt_u (local.get $kEnd) (i32.const 80)) (then (local.set $kEnd (i32.const 80))))
    (local.set $low00 (v128.const i32x4 0 0 0 0))
    (local.set $high00 (v128.const i32x4 0 0 0 0))
    (local.set $low01 (v128.const i32x4 0 0 0 0))
    (local.set $high01 (v128.const i32x4 0 0 0 0))
    (local.set $low10 (v128.const i32x4 0 0 0 0))
    (local.set $high10 (v128.const i32x4 0 0 0 0))
    (local.set $low11 (v128.const i32x4 0 0 0 0))
    (local.set $high11 (v128.const i32x4 0 0 0 0))
    (loop $products
      (local.set $code (v128.load (local.get $w)))
      (local.set $x0 (i16x8.extend_low_i8x16_s
        (v128.load32_splat offset=0 (i32.add (local.get $q0) (local.get $k)))))
      (local.set $x1 (i16x8.extend_low_i8x16_s
        (v128.load32_splat offset=0 (i32.add (local.get $q1) (local.get $k)))))
      (local.set $t (i8x16.sub
        (v128.and (i32x4.shr_u (local.get $code) (i32.const 0))
          (v128.const i32x4 0x03030303 0x03030303 0x03030303 0x03030303))
        (v128.const i32x4 0x01010101 0x01010101 0x01010101 0x01010101)))
      (local.set $low (i16x8.extend_low_i8x16_s (local.get $t)))
      (local.set $high (i16x8.extend_high_i8x16_s (local.get $t)))
      (local.set $low00 (i32x4.add (local.get $low00) (i32x4.dot_i16x8_s (local.get $x0) (local.get $low))))
      (local.set $high00 (i32x4.add (local.get $high00) (i32x4.dot_i16x8_s (local.get $x0) (local.get $high))))
      (local.set $low10 (i32x4.add (local.get $low10) (i32x4.dot_i16x8_s (local.get $x1) (local.get $low))))
      (local.set $high10 (i32x4.add (local.get $high10) (i32x4.dot_i16x8_s (local.get $x1) (local.get $high))))
      (local.set $t (i8x16.sub
        (v128.and (i32x4.shr_u (local.get $code) (i32.const 2))
          (v128.const i32x4 0x03030303 0x03030303 0x03030303 0x03030303))
        (v128.const i32x4 0x01010101 0x01010101 0x01010101 0x01010101)))
      (local.set $low (i16x8.extend_low_i8x16_s (local.get $t)))
      (local.set $high (i16x8.extend_high_i8x16_s (local.get $t)))
      (local.set $low01 (i32x4.add (local.get $low01) (i32x4.dot_i16x8_s (local.get $x0) (local.get $low))))
      (local.set $high01 (i32x4.add (local.get $high01) (i32x4.dot_i16x8_s (local.get $x0) (local.get $high))))
      (local.set $low11 (i32x4.add (local.get $low11) (i32x4.dot_i16x8_s (local.get $x1) (local.get $low))))
      (local.set $high11 (i32x4.add (local.get $high11) (i32x4.dot_i16x8_s (local.get $x1) (local.get $high))))
      (local.set $x0 (i16x8.extend_low_i8x16_s
        (v128.load32_splat offset=4 (i32.add (local.get $q0) (local.get $k)))))
      (local.set $x1 (i16x8.extend_low_i8x16_s
        (v128.load32_splat offset=4 (i32.add (local.get $q1) (local.get $k)))))
      (local.set $t (i8x16.sub
        (v128.and (i32x4.shr_u (local.get $code) (i32.const 4))
          (v128.const i32x4 0x03030303 0x03030303 0x03030303 0x03030303))
        (v128.const i32x4 0x01010101 0x01010101 0x01010101 0x01010101)))
      (local.set $low (i16x8.extend_low_i8x16_s (local.get $t)))
      (local.set $high (i16x8.extend_high_i8x16_s (local.get $t)))
      (local.set $low00 (i32x4.add (local.get $low00) (i32x4.dot_i16x8_s (local.get $x0) (local.get $low))))
      (local.set $high00 (i32x4.add (local.get $high00) (i32x4.dot_i16x8_s (local.get $x0) (local.get $high))))
      (local.set $low10 (i32x4.add (local.get $low10) (i32x4.dot_i16x8_s (local.get $x1) (local.get $low))))
      (local.set $high10 (i32x4.add (local.get $high10) (i32x4.dot_i16x8_s (local.get $x1) (local.get $high))))
      (local.set $t (i8x16.sub
        (v128.and (i32x4.shr_u (local.get $code) (i32.const 6))
          (v128.const i32x4 0x03030303 0x03030303 0x03030303 0x03030303))
        (v128.const i32x4 0x01010101 0x01010101 0x01010101 0x01010101)))
      (local.set $low (i16x8.extend_low_i8x16_s (local.get $t)))
      (local.set $high (i16x8.extend_high_i8x16_s (local.get $t)))
      (local.set $low01 (i32x4.add (local.get $low01) (i32x4.dot_i16x8_s (local.get $x0) (local.get $low))))
      (local.set $high01 (i32x4.add (local.get $high01) (i32x4.dot_i16x8_s (local.get $x0) (local.get $high))))
      (local.set $low11 (i32x4.add (local.get $low11) (i32x4.dot_i16x8_s (local.get $x1) (local.get $low))))
      (local.set $high11 (i32x4.add (local.get $high11) (i32x4.dot_i16x8_s (local.get $x1) (local.get $high))))
      (local.set $w (i32.add (local.get $w) (i32.const 16)))
      (local.set $k (i32.add (local.get $k) (i32.const 8)))
      (br_if $products (i32.lt_u (local.get $k) (local.get $kEnd))))
    ;; lanes 2i and 2i + 1 hold two halves of one channel's sum
    (local.set $sum00 (f32x4.add (local.get $sum00) (f32x4.mul
      (f32x4.convert_i32x4_s (i32x4.add
        (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $low00) (local.get $high00))
        (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $low00) (local.get $high00))))
      (v128.load offset=0 (local.get $scales)))))
    (local.set $sum01 (f32x4.add (local.get $sum01) (f32x4.mul
      (f32x4.convert_i32x4_s (i32x4.add
        (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $low01) (local.get $high01))
        (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $low01) (local.get $high01))))
      (v128.load offset=16 (local.get $scales)))))
    (local.set $sum10 (f32x4.add (local.get $sum10) (f32x4.mul
      (f32x4.convert_i32x4_s (i32x4.add
        (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $low10) (local.get $high10))
        (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $low10) (local.get $high10))))
      (v128.load offset=0 (local.get $scales)))))
    (local.set $sum11 (f32x4.add (local.get $sum11) (f32x4.mul
      (f32x4.convert_i32x4_s (i32x4.add
        (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $low11) (local.get $high11))
        (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $low11) (local.get $high11))))
      (v128.load offset=16 (local.get $scales)))))
    (local.set $scales (i32.add (local.get $scales) (i32.const 32)))
    (br_if $chunks (i32.lt_u (local.get $k) (i32.const 80))))
  (local.set $rowScale (i32.add (local.get $rowScale) (i32.mul (local.get $row) (local.get $rowScaleStride))))
  (if (i32.lt_u (i32.add (local.get $column) (i32.const 0)) (i32.const 96)) (then
    (call $store (local.get $words) (i32.add (local.get $row) (i32.const 0))
      (i32.add (local.get $column) (i32.const 0))
      (f32x4.mul (local.get $sum00) (v128.load32_splat (local.get $rowScale))))))
  (if (i32.lt_u (i32.add (local.get $column) (i32.const 4)) (i32.const 96)) (then
    (call $store (local.get $words) (i32.add (local.get $row) (i32.const 0))
      (i32.add (local.get $column) (i32.const 4))
      (f32x4.mul (local.get $sum01) (v128.load32_splat (local.get $rowScale))))))
  (local.set $rowScale (i32.add (local.get $rowScale) (local.get $rowScaleStride)))
  (if (i32.lt_u (i32.add (local.get $column) (i32.const 0)) (i32.const 96)) (then
    (call $store (local.get $words) (i32.add (local.get $row) (i32.const 1))
      (i32.add (local.get $column) (i32.const 0))
      (f32x4.mul (local.get $sum10) (v128.load32_splat (local.get $rowScale))))))
  (if (i32.lt_u (i32.add (local.get $column) (i32.const 4)) (i32.const 96)) (then
    (call $store (local.get $words) (i32.add (local.get $row) (i32.const 1))
      (i32.add (local.get $column) (i32.const 4))
      (f32x4.mul (local.get $sum11) (v128.load32_splat (local.get $rowScale))))))
  (local.set $rowScale (i32.add (local.get $rowScale) (local.get $rowScaleStride)))
)
(func $block1 (param $words i32) (param $row i32) (param $column i32)
  (local $w i32) (local $k i32) (local $kEnd i32)
  (local $code v128) (local $t v128) (local $low v128) (local $high v128)
  (local $q0 i32) (local $x0 v128)
  (local $low00 v128) (local $high00 v128) (local $sum00 v128)
  (local $low01 v128) (local $high01 v128) (local $sum01 v128)
  ;; every argument: its address (of row 0) and its row stride in bytes
  (local $q i32) (local $qStride i32)
  (local $rowScale i32) (local $rowScaleStride i32)
  (local $weights i32) (local $weightsStride i32)
  (local $scales i32) (local $scalesStride i32)
  (local.set $q (i32.load offset=4 (local.get $words)))
  (local.set $qStride (i32.shl (i32.load offset=8 (local.get $words)) (i32.const 0)))
  (local.set $rowScale (i32.load offset=12 (local.get $words)))
  (local.set $rowScaleStride (i32.shl (i32.load offset=16 (local.get $words)) (i32.const 2)))
  (local.set $weights (i32.load offset=20 (local.get $words)))
  (local.set $weightsStride (i32.shl (i32.load offset=24 (local.get $words)) (i32.const 2)))
  (local.set $scales (i32.load offset=28 (local.get $words)))
  (local.set $scalesStride (i32.shl (i32.load offset=32 (local.get $words)) (i32.const 2)))
  (local.set $w (i32.add (local.get $weights) (i32.mul (local.get $column) (i32.const 20))))
  (local.set $scales (i32.add (local.get $scales) (i32.mul (local.get $column) (i32.const 12))))
  (local.set $q0 (i32.add (local.get $q) (i32.mul (i32.add (local.get $row) (i32.const 0)) (local.get $qStride))))
  (loop $chunks
    (local.set $kEnd (i32.add (local.get $k) (i32.const 32)))
    (if (i32.gt_u (local.get $kEnd) (i32.const 80)) (then (local.set $kEnd (i32.const 80))))
    (local.set $low00 (v128.const i32x4 0 0 0 0))
    (local.set $high00 (v128.const i32x4 0 0 0 0))
    (local.set $low01 (v128.const i32x4 0 0 0 0))
    (local.set $high01 (v128.const i32x4 0 0 0 0))
    (loop $products
      (local.set $code (v128.load (local.get $w)))
      (local.set $x0 (i16x8.extend_low_i8x16_s
        (v128.load32_splat offset=0 (i32.add (local.get $q0) (local.get $k)))))
      (local.set $t (i8x16.sub
        (v128.and (i32x4.shr_u (local.get $code) (i32.const 0))
          (v128.const i32x4 0x03030303 0x03030303 0x03030303 0x03030303))
        (v128.const i32x4 0x01010101 0x01010101 0x01010101 0x01010101)))
      (local.set $low (i16x8.extend_low_i8x16_s (local.get $t)))
      (local.set $high (i16x8.extend_high_i8x16_s (local.get $t)))
      (local.set $low00 (i32x4.add (local.get $low00) (i32x4.dot_i16x8_s (local.get $x0) (local.get $low))))
      (local.set $high00 (i32x4.add (local.get $high00) (i32x4.dot_i16x8_s (local.get $x0) (local.get $high))))
      (local.set $t (i8x16.sub
        (v128.and (i32x4.shr_u (local.get $code) (i32.const 2))
          (v128.const i32x4 0x03030303 0x03030303 0x03030303 0x03030303))
        (v128.const i32x4 0x01010101 0x01010101 0x01010101 0x01010101)))
      (local.set $low (i16x8.extend_low_i8x16_s (local.get $t)))
      (local.set $high (i16x8.extend_high_i8x16_s (local.get $t)))
      (local.set $low01 (i32x4.add (local.get $low01) (i32x4.dot_i16x8_s (local.get $x0) (local.get $low))))
      (local.set $high01 (i32x4.add (local.get $high01) (i32x4.dot_i16x8_s (local.get $x0) (local.get $high))))
      (local.set $x0 (i16x8.extend_low_i8x16_s
        (v128.load32_splat offset=4 (i32.add (local.get $q0) (local.get $k)))))
      (local.set $t (i8x16.sub
        (v128.and (i32x4.shr_u (local.get $code) (i32.const 4))
          (v128.const i32x4 0x03030303 0x03030303 0x03030303 0x03030303))
        (v128.const i32x4 0x01010101 0x01010101 0x01010101 0x01010101)))
      (local.set $low (i16x8.extend_low_i8x16_s (local.get $t)))
      (local.set $high (i16x8.extend_high_i8x16_s (local.get $t)))
      (local.set $low00 (i32x4.add (local.get $low00) (i32x4.dot_i16x8_s (local.get $x0) (local.get $low))))
      (local.set $high00 (i32x4.add (local.get $high00) (i32x4.dot_i16x8_s (local.get $x0) (local.get $high))))
      (local.set $t (i8x16.sub
        (v128.and (i32x4.shr_u (local.get $code) (i32.const 6))
          (v128.const i32x4 0x03030303 0x03030303 0x03030303 0x03030303))
        (v128.const i32x4 0x01010101 0x01010101 0x01010101 0x01010101)))
      (local.set $low (i16x8.extend_low_i8x16_s (local.get $t)))
      (local.set $high (i16x8.extend_high_i8x16_s (local.get $t)))
      (local.set $low01 (i32x4.add (local.get $low01) (i32x4.dot_i16x8_s (local.get $x0) (local.get $low))))
      (local.set $high01 (i32x4.add (local.get $high01) (i32x4.dot_i16x8_s (local.get $x0) (local.get $high))))
      (local.set $w (i32.add (local.get $w) (i32.const 16)))
      (local.set $k (i32.add (local.get $k) (i32.const 8)))
      (br_if $products (i32.lt_u (local.get $k) (local.get $kEnd))))
    ;; lanes 2i and 2i + 1 hold two halves of one channel's sum
    (local.set $sum00 (f32x4.add (local.get $sum00) (f32x4.mul
      (f32x4.convert_i32x4_s (i32x4.add
        (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $low00) (local.get $high00))
        (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $low00) (local.get $high00))))
      (v128.load offset=0 (local.get $scales)))))
    (local.set $sum01 (f32x4.add (local.get $sum01) (f32x4.mul
      (f32x4.convert_i32x4_s (i32x4.add
        (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $low01) (local.get $high01))
        (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $low01) (local.get $high01))))
      (v128.load offset=16 (local.get $scales)))))
    (local.set $scales (i32.add (local.get $scales) (i32.const 32)))
    (br_if $chunks (i32.lt_u (local.get $k) (i32.const 80))))
  (local.set $rowScale (i32.add (local.get $rowScale) (i32.mul (local.get $row) (local.get $rowScaleStride))))
  (if (i32.lt_u (i32.add (local.get $column) (i32.const 0)) (i32.const 96)) (then
    (call $store (local.get $words) (i32.add (local.get $row) (i32.const 0))
      (i32.add (local.get $column) (i32.const 0))
      (f32x4.mul (local.get $sum00) (v128.load32_splat (local.get $rowScale))))))
  (if (i32.lt_u (i32.add (local.get $column) (i32.const 4)) (i32.const 96)) (then
    (call $store (local.get $words) (i32.add (local.get $row) (i32.const 0))
      (i32.add (local.get $column) (i32.const 4))
      (f32x4.mul (local.get $sum01) (v128.load32_splat (local.get $rowScale))))))
  (local.set $rowScale (i32.add (local.get $rowScale) (local.get $rowScaleStride)))
)

;; Tiles of 32 rows by 64 columns, columns fastest; within a tile, row groups of the sizes that $block
;; functions exist for (largest first), each against all column blocks of 8: the rows stay in the first-level
;; cache while weights stream by.
(func (export "run") (param $words i32) (param $begin i32) (param $end i32)
  (local $row i32) (local $rowEnd i32) (local $column i32) (local $columnBegin i32) (local $columnEnd i32)
  (loop $tiles
    (if (i32.ge_u (local.get $begin) (local.get $end)) (then (return)))
    (local.set $columnBegin (i32.mul (i32.rem_u (local.get $begin) (i32.const 2)) (i32.const 64)))
    (local.set $columnEnd (i32.add (local.get $columnBegin) (i32.const 64)))
    (if (i32.gt_u (local.get $columnEnd) (i32.const 96)) (then (local.set $columnEnd (i32.const 96))))
    (local.set $row (i32.mul (i32.div_u (local.get $begin) (i32.const 2)) (i32.const 32)))
    (local.set $rowEnd (i32.add (local.get $row) (i32.const 32)))
    (if (i32.gt_u (local.get $rowEnd) (i32.load (local.get $words)))
      (then (local.set $rowEnd (i32.load (local.get $words)))))
    (block $rowsDone2 (loop $rows2
      (br_if $rowsDone2 (i32.gt_u (i32.add (local.get $row) (i32.const 2)) (local.get $rowEnd)))
      (local.set $column (local.get $columnBegin))
      (loop $columns
        (call $block2 (local.get $words) (local.get $row) (local.get $column))
        (local.set $column (i32.add (local.get $column) (i32.const 8)))
        (br_if $columns (i32.lt_u (local.get $column) (local.get $columnEnd))))
      (local.set $row (i32.add (local.get $row) (i32.const 2)))
      (br $rows2)))
    (block $rowsDone1 (loop $rows1
      (br_if $rowsDone1 (i32.gt_u (i32.add (local.get $row) (i32.const 1)) (local.get $rowEnd)))
      (local.set $column (local.get $columnBegin))
      (loop $columns
        (call $block1 (local.get $words) (local.get $row) (local.get $column))
        (local.set $column (i32.add (local.get $column) (i32.const 8)))
        (br_if $columns (i32.lt_u (local.get $column) (local.get $columnEnd))))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br $rows1)))
    (local.set $begin (i32.add (local.get $begin) (i32.const 1)))
    (br $tiles)))
)
