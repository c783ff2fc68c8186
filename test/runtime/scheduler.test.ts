import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { TritcError } from "../../ir/errors.js";
import { readSchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import { dynamicShift, makeSchedule } from "../../runtime/scheduler.js";

const DEV = {
  _class_name: "FlowMatchEulerDiscreteScheduler",
  _diffusers_version: "0.30.0.dev0",
  base_image_seq_len: 256,
  base_shift: 0.5,
  max_image_seq_len: 4096,
  max_shift: 1.15,
  num_train_timesteps: 1000,
  shift: 3.0,
  use_dynamic_shifting: true,
};
const SCHNELL = { ...DEV, shift: 1.0, use_dynamic_shifting: false };

describe("makeSchedule", () => {
  it("gives FLUX.1-dev's published sigmas at 1024x1024 and 50 steps", () => {
    const { sigmas, timesteps, modelTimesteps } = makeSchedule(readSchedulerConfig(DEV), {
      steps: 50,
      imageTokens: 4096,
    });
    expect(sigmas.length).toBe(51);
    expect(timesteps.length).toBe(50);
    const known: readonly (readonly [number, number])[] = [
      [0, 1],
      [1, 0.9935795],
      [2, 0.9869786],
      [3, 0.9801896],
      [25, 0.7595109],
      [48, 0.1162888],
      [49, 0.0605503],
      [50, 0],
    ];
    for (const [i, sigma] of known) expect(sigmas[i], `sigma ${i}`).toBeCloseTo(sigma, 6);
    expect(timesteps[25]).toBeCloseTo(759.5109, 3);
    // num_train_timesteps is 1000, so the graph's own x1000 gives the timestep back.
    expect(modelTimesteps).toEqual(sigmas.slice(0, 50));
  });

  it.each([
    [256, 0.5],
    [1024, 0.63],
    [4096, 1.15],
  ])("shifts by mu at %i tokens", (tokens, mu) => {
    expect(dynamicShift(readSchedulerConfig(DEV), tokens)).toBeCloseTo(mu, 12);
  });

  it("leaves schnell's four sigmas unshifted", () => {
    const { sigmas } = makeSchedule(readSchedulerConfig(SCHNELL), { steps: 4, imageTokens: 4096 });
    expect([...sigmas]).toEqual([1, 0.75, 0.5, 0.25, 0]);
  });

  it("applies a static shift where dynamic shifting is off", () => {
    const config = readSchedulerConfig({ ...SCHNELL, shift: 3 });
    const { sigmas } = makeSchedule(config, { steps: 4, imageTokens: 16 });
    // 3s / (1 + 2s), the other way to write the shift.
    for (const [i, s] of [1, 0.75, 0.5, 0.25].entries()) {
      expect(sigmas[i]).toBeCloseTo((3 * s) / (1 + 2 * s), 6);
    }
  });

  // What `set_timesteps` of Diffusers 0.42.1 makes of 5 steps and 1000 tokens.
  it.each<[object, number[]]>([
    [{ use_dynamic_shifting: true, shift_terminal: 0.1 }, [1, 0.8442511, 0.6528907, 0.4121289, 0.1, 0]],
    [
      { use_dynamic_shifting: false, shift: 2.0, shift_terminal: 0.05 },
      [1, 0.8416668, 0.64375, 0.3892857, 0.04999995, 0],
    ],
    [
      { use_dynamic_shifting: true, time_shift_type: "linear" },
      [1, 0.7145915, 0.4842453, 0.2944289, 0.1353104, 0],
    ],
    [
      { use_dynamic_shifting: true, use_karras_sigmas: true },
      [1, 0.7641926, 0.577748, 0.4317361, 0.3185688, 0],
    ],
    [
      { use_dynamic_shifting: false, shift: 3.0, use_exponential_sigmas: true },
      [1, 0.8091067, 0.6546537, 0.5296847, 0.4285715, 0],
    ],
    [
      { use_dynamic_shifting: true, shift_terminal: 0.02, use_exponential_sigmas: true },
      [1, 0.3760599, 0.1414211, 0.0531828, 0.01999992, 0],
    ],
  ])("has the noise levels of Diffusers with %o", (options, known) => {
    const config = readSchedulerConfig({ _class_name: DEV._class_name, ...options });
    const { sigmas } = makeSchedule(config, { steps: 5, imageTokens: 1000 });
    expect(sigmas).toHaveLength(known.length);
    for (const [i, sigma] of known.entries()) expect(sigmas[i], `sigma ${i}`).toBeCloseTo(sigma, 6);
  });

  it("refuses what gives no noise levels", () => {
    const schedule = (options: object, steps: number) =>
      expect(() => makeSchedule(readSchedulerConfig({ ...DEV, ...options }), { steps, imageTokens: 16 }));
    schedule({ shift_terminal: 0.1 }, 1).toThrow(/single step with shift_terminal/);
    schedule({ time_shift_type: "linear", base_shift: -1, max_shift: 0 }, 4).toThrow(
      /the shift by the number/,
    );
  });

  it.each([1, 2, 7, 28, 50])("falls strictly from 1 to 0 in %i steps", (steps) => {
    const { sigmas } = makeSchedule(readSchedulerConfig(DEV), { steps, imageTokens: 16 });
    expect(sigmas[0]).toBe(1);
    expect(sigmas[steps]).toBe(0);
    for (let i = 0; i < steps; i++) expect(sigmas[i + 1]).toBeLessThan(sigmas[i] ?? Number.NaN);
  });

  it.each([0, -1, 2.5, Number.NaN])("refuses %s steps", (steps) => {
    expect(() => makeSchedule(readSchedulerConfig(DEV), { steps, imageTokens: 16 })).toThrow(TritcError);
  });
});

describe("readSchedulerConfig", () => {
  it("reads the small model's file", async () => {
    const path = "test/models/shapes/scheduler/scheduler_config.json";
    const config = readSchedulerConfig(JSON.parse(await readFile(path, "utf8")), path);
    expect(config).toMatchObject({ useDynamicShifting: true, baseShift: 0.5, maxShift: 1.15 });
  });

  it("accepts newer files that spell the defaults out", () => {
    const spelled = {
      ...DEV,
      invert_sigmas: false,
      shift_terminal: null,
      stochastic_sampling: false,
      time_shift_type: "exponential",
      use_beta_sigmas: false,
      use_exponential_sigmas: false,
      use_karras_sigmas: false,
    };
    expect(readSchedulerConfig(spelled)).toEqual(readSchedulerConfig(DEV));
  });

  it.each([
    ["use_beta_sigmas", true],
    ["invert_sigmas", true],
    ["stochastic_sampling", true],
    ["an_option_of_tomorrow", true],
  ])("refuses %s, which would change the schedule", (name, value) => {
    expect(() => readSchedulerConfig({ ...DEV, [name]: value }, "s.json")).toThrow(
      new RegExp(`^s\\.json: the option ${name} is set`),
    );
  });

  it.each([
    ["another class", { ...DEV, _class_name: "EulerDiscreteScheduler" }],
    ["a text for a number", { ...DEV, max_shift: "1.15" }],
    ["a negative shift", { ...DEV, shift: -3 }],
    ["equal lengths", { ...DEV, max_image_seq_len: 256 }],
    ["a last level above 1", { ...DEV, shift_terminal: 1.5 }],
    ["another shift of time", { ...DEV, time_shift_type: "quadratic" }],
    ["a text for a flag", { ...DEV, use_karras_sigmas: "yes" }],
    ["a list", [DEV]],
    ["nothing", null],
  ])("refuses %s", (_, json) => {
    expect(() => readSchedulerConfig(json)).toThrow(TritcError);
  });
});
