import type { TaskContext } from '../../src/compute/objective/task-module.ts';

/** 256 random images in 10 classes. */
export function randomData(tf: TaskContext['tf'], shape: readonly number[]) {
  return tf.tidy(() => ({
    xs: tf.randomUniform([256, ...shape]),
    ys: tf.cast(tf.oneHot(tf.cast(tf.randomUniform([256], 0, 10), 'int32'), 10), 'float32'),
  }));
}
