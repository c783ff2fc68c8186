;; x/2·(1 + tanh u) = x / (1 + e^−2u), u = sqrt(2/π)·(x + 0.044715·x³)
(func $geluTanh (param $x v128) (result v128)
  (f32x4.div (local.get $x) (f32x4.add (v128.const f32x4 1 1 1 1)
    (call $exp (f32x4.mul
      (f32x4.mul (local.get $x) (v128.const f32x4 -1.59576912 -1.59576912 -1.59576912 -1.59576912))
      (f32x4.add (v128.const f32x4 1 1 1 1) (f32x4.mul
        (f32x4.mul (local.get $x) (local.get $x))
        (v128.const f32x4 0.044715 0.044715 0.044715 0.044715))))))))
