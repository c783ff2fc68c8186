;; x^y = ±e^(y·ln|x|); a negative base takes whole exponents only.
(func $pow64 (param $x f64) (param $y f64) (result f64)
  (local $r f64)
  (if (i32.or (f64.eq (local.get $y) (f64.const 0)) (f64.eq (local.get $x) (f64.const 1)))
    (then (return (f64.const 1))))
  (local.set $r (call $exp64 (f64.mul (local.get $y) (call $log64 (f64.abs (local.get $x))))))
  (if (f64.lt (local.get $x) (f64.const 0)) (then
    (if (f64.ne (f64.nearest (local.get $y)) (local.get $y)) (then (return (f64.const nan))))
    ;; odd: half of it is not whole
    (if (f64.ne (f64.nearest (f64.mul (local.get $y) (f64.const 0.5))) (f64.mul (local.get $y) (f64.const 0.5)))
      (then (local.set $r (f64.neg (local.get $r)))))))
  (local.get $r))
