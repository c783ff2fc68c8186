(module
(import "env" "memory" (memory 1 65536 shared))

;; The rows of part p of so many.
(func $rowsOf (param $rows i32) (param $p i32) (result i32)
  (local $size i32)
  (local.set $size (i32.div_u (i32.add (local.get $rows) (i32.const 7)) (i32.const 8)))
  (local.set $p (i32.mul (local.get $p) (local.get $size)))
  (if (i32.ge_u (local.get $p) (local.get $rows)) (then (return (i32.const 0))))
  (local.set $p (i32.sub (local.get $rows) (local.get $p)))
  (select (local.get $p) (local.get $size) (i32.lt_u (local.get $p) (local.get $size))))

(func (export "run") (param $words i32) (param $begin i32) (param $end i32)
  (local $rows i32) (local $part i32) (local $channel i32) (local $at i32) (local $to i32)
  (local $count f64) (local $all f64) (local $total f64) (local $squares f64) (local $middle f64) (local $d f64)
  ;; every argument: its address (of row 0) and its row stride in bytes
  (local $moments i32) (local $momentsStride i32)
  (local $scale i32) (local $scaleStride i32)
  (local $mean i32) (local $meanStride i32)
  (local $factor i32) (local $factorStride i32)
  (local.set $moments (i32.load offset=4 (local.get $words)))
  (local.set $momentsStride (i32.shl (i32.load offset=8 (local.get $words)) (i32.const 2)))
  (local.set $scale (i32.load offset=12 (local.get $words)))
  (local.set $scaleStride (i32.shl (i32.load offset=16 (local.get $words)) (i32.const 2)))
  (local.set $mean (i32.load offset=20 (local.get $words)))
  (local.set $meanStride (i32.shl (i32.load offset=24 (local.get $words)) (i32.const 2)))
  (local.set $factor (i32.load offset=28 (local.get $words)))
  (local.set $factorStride (i32.shl (i32.load offset=32 (local.get $words)) (i32.const 2)))
  (local.set $rows (i32.load offset=36 (local.get $words)))
  (local.set $all (f64.mul (f64.convert_i32_u (local.get $rows)) (f64.const 10)))
  (loop $groups
    (if (i32.ge_u (local.get $begin) (local.get $end)) (then (return)))
    (local.set $total (f64.const 0))
    (local.set $part (i32.const 0))
    (loop $means
      (local.set $count (f64.convert_i32_u (call $rowsOf (local.get $rows) (local.get $part))))
      (local.set $at (i32.add
        (i32.add (local.get $moments) (i32.mul (local.get $part) (local.get $momentsStride)))
        (i32.mul (local.get $begin) (i32.const 40))))
      (local.set $channel (i32.const 0))
      (loop $channels
        (local.set $total (f64.add (local.get $total)
          (f64.mul (local.get $count) (f64.promote_f32 (f32.load (local.get $at))))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (local.set $channel (i32.add (local.get $channel) (i32.const 1)))
        (br_if $channels (i32.lt_u (local.get $channel) (i32.const 10))))
      (local.set $part (i32.add (local.get $part) (i32.const 1)))
      (br_if $means (i32.lt_u (local.get $part) (i32.const 8))))
    (local.set $middle (f64.div (local.get $total) (local.get $all)))
    (local.set $squares (f64.const 0))
    (local.set $part (i32.const 0))
    (loop $distances
      (local.set $count (f64.convert_i32_u (call $rowsOf (local.get $rows) (local.get $part))))
      (local.set $at (i32.add
        (i32.add (local.get $moments) (i32.mul (local.get $part) (local.get $momentsStride)))
        (i32.mul (local.get $begin) (i32.const 40))))
      (local.set $channel (i32.const 0))
      (loop $channels
        (local.set $d (f64.sub (f64.promote_f32 (f32.load (local.get $at))) (local.get $middle)))
        (local.set $squares (f64.add (local.get $squares) (f64.add
          (f64.promote_f32 (f32.load offset=160 (local.get $at)))
          (f64.mul (local.get $count) (f64.mul (local.get $d) (local.get $d))))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (local.set $channel (i32.add (local.get $channel) (i32.const 1)))
        (br_if $channels (i32.lt_u (local.get $channel) (i32.const 10))))
      (local.set $part (i32.add (local.get $part) (i32.const 1)))
      (br_if $distances (i32.lt_u (local.get $part) (i32.const 8))))
    (local.set $d (f64.div (f64.const 1) (f64.sqrt (f64.add
      (f64.div (local.get $squares) (local.get $all)) (f64.const 0.000001)))))
    (local.set $channel (i32.const 0))
    (loop $results
      (local.set $to (i32.shl (local.get $channel) (i32.const 2)))
      (f32.store (i32.add (i32.add (local.get $mean) (i32.mul (local.get $begin) (local.get $meanStride))) (local.get $to))
        (f32.demote_f64 (local.get $middle)))
      (f32.store (i32.add (i32.add (local.get $factor) (i32.mul (local.get $begin) (local.get $factorStride))) (local.get $to))
        (f32.demote_f64 (f64.mul (local.get $d) (f64.promote_f32 (f32.load (i32.add
          (i32.add (local.get $scale) (i32.mul (local.get $begin) (local.get $scaleStride))) (local.get $to)))))))
      (local.set $channel (i32.add (local.get $channel) (i32.const 1)))
      (br_if $results (i32.lt_u (local.get $channel) (i32.const 10))))
    (local.set $begin (i32.add (local.get $begin) (i32.const 1)))
    (br $groups)))
)
