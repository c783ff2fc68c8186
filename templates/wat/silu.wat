;; x·sigmoid(x) = x / (1 + e^−x)
(func $silu (param $x v128) (result v128)
  (f32x4.div (local.get $x) (f32x4.add (v128.const f32x4 1 1 1 1) (call $exp (f32x4.neg (local.get $x))))))
