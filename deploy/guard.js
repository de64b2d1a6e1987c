'use strict';

// Keeps what a clean clone comes with from being deployed: its tenant is nobody's, its audiences are no service's.
class Guard {
  constructor(serverless) {
    const check = () => {
      const { placeholders } = serverless.service.custom.settings;
      if (placeholders.length > 0) {
        throw new serverless.classes.Error(
          `stage ${serverless.service.provider.stage} cannot be deployed: ${placeholders.join(', ')} must not be those of stage example. Add a stage of yours to deploy/stages.yml and name it: make deploy STAGE=…`,
        );
      }
    };
    // Before anything is made on AWS; the second time by the package that is deployed, if it was made before.
    this.hooks = { 'before:deploy:deploy': check, 'before:aws:deploy:deploy:createStack': check, 'before:deploy:function:initialize': check };
  }
}

module.exports = Guard;
