;; The low halves of eight bytes, side by side, the first in the lowest bits.
(func $nibbles (param $bytes i64) (result i32)
  (local.set $bytes (i64.and (local.get $bytes) (i64.const 0x0f0f0f0f0f0f0f0f)))
  (local.set $bytes (i64.and (i64.or (local.get $bytes) (i64.shr_u (local.get $bytes) (i64.const 4)))
    (i64.const 0x00ff00ff00ff00ff)))
  (local.set $bytes (i64.and (i64.or (local.get $bytes) (i64.shr_u (local.get $bytes) (i64.const 8)))
    (i64.const 0x0000ffff0000ffff)))
  (i32.wrap_i64 (i64.or (local.get $bytes) (i64.shr_u (local.get $bytes) (i64.const 16)))))
