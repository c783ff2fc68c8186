;; x/2·(1 + erf(x/√2)) = x·h for x < 0, x·(1 − h) else, h = erfc(|x|/√2) / 2: no cancellation on the negative side
(func $geluErf (param $x v128) (result v128)
  (local $z v128) (local $h v128)
  (local.set $z (f32x4.mul (f32x4.abs (local.get $x)) (v128.const f32x4 0.70710678 0.70710678 0.70710678 0.70710678)))
  (local.set $h (f32x4.mul (v128.const f32x4 0.5 0.5 0.5 0.5) (v128.bitselect
    (f32x4.sub (v128.const f32x4 1 1 1 1) (call $erfSmall (local.get $z)))
    (call $erfcLarge (local.get $z))
    (f32x4.lt (local.get $z) (v128.const f32x4 1 1 1 1)))))
  (f32x4.mul (local.get $x) (v128.bitselect
    (local.get $h)
    (f32x4.sub (v128.const f32x4 1 1 1 1) (local.get $h))
    (f32x4.lt (local.get $x) (v128.const f32x4 0 0 0 0)))))
