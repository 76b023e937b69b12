/** Lets users write x.add(y) for tf.add(x, y). Bundle only: see {@link loadTaskModule}. */
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
