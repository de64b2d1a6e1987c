'use strict';

// Keeps two things from being deployed: what a clean clone comes with (its tenant is nobody's, its audiences are no service's),
// and a new, empty table in the place of one that the stack has taken over.
class Guard {
  constructor(serverless) {
    this.serverless = serverless;
    const placeholders = () => this.placeholders();
    // Before anything is made on AWS; the second time by the package that is deployed, if it was made before.
    this.hooks = {
      'before:deploy:deploy': placeholders,
      'before:aws:deploy:deploy:createStack': async () => {
        placeholders();
        await this.table();
      },
      'before:deploy:function:initialize': placeholders,
    };
  }

  refuse(why) {
    throw new this.serverless.classes.Error(`stage ${this.serverless.service.provider.stage} cannot be deployed: ${why}`);
  }

  placeholders() {
    const { placeholders } = this.serverless.service.custom.settings;
    if (placeholders.length > 0) {
      this.refuse(
        `${placeholders.join(', ')} must not be those of stage example. Add a stage of yours to deploy/stages.yml and name it: make deploy STAGE=…`,
      );
    }
  }

  // A tableName that is forgotten (it was given by --param, once) would make an empty table, by which everybody is denied.
  async table() {
    if (this.serverless.service.custom.settings.table !== 'made') return;
    const there = await this.resources();
    if (there.includes('AuthorizerLambdaFunction') && !there.includes('Table')) {
      this.refuse(
        'tableName must be given: the stack uses a table that it did not make (its output TableName), and would now make an empty one, by which everybody is denied',
      );
    }
  }

  // resources are the logical ids of what the stack has, none if there is no stack.
  async resources() {
    try {
      const all = await this.serverless.getProvider('aws').getStackResources();
      return all.filter((r) => !r.ResourceStatus.startsWith('DELETE')).map((r) => r.LogicalResourceId);
    } catch (error) {
      if (error.message.includes('does not exist')) return [];
      throw error;
    }
  }
}

module.exports = Guard;
