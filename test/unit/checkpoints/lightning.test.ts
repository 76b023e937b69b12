import { describeReal } from './real.ts';

describeReal({ folder: 'torch/lightning', format: 'torch', modules: ['lightning', 'torch', 'numpy'] });
