/** BatchNorm's running statistics, known by their names where no model tells. */

/** As PyTorch (`bn1.running_mean`, `running_var`) and Keras (`moving_mean`, `moving_variance`) name them. */
const NAMES = /(^|[./])(running_(mean|var)|moving_(mean|variance))$/;

export function isRunningStatistic({ name }: { readonly name: string }): boolean {
  return NAMES.test(name);
}
