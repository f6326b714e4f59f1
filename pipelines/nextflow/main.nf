#!/usr/bin/env nextflow
// Untried: written without a Nextflow at hand; only its commands are checked against the command line.

// Train by contig or by list of genes, combine the runs into one, and export its weights.

include { HAPLOSCRIBE_EMBED            } from './modules/local/haploscribe/embed/main'
include { HAPLOSCRIBE_RUN              } from './modules/local/haploscribe/run/main'
include { HAPLOSCRIBE_COMBINE          } from './modules/local/haploscribe/combine/main'
include { HAPLOSCRIBE_EXPORT_PREDICTDB } from './modules/local/haploscribe/export_predictdb/main'
include { MULTIQC                      } from './modules/local/multiqc/main'

workflow {
    // Every task sees the cohort under the same names, which results record.
    def given = { name -> params[name] ? file(params[name], checkIfExists: true) : [] }
    def cohort = channel.value([
        files(params.variants, checkIfExists: true), // with their indices
        given('reference'),
        files("${params.reference}.{fai,gzi}"),
        given('expression'),
        given('covariates'),
    ])
    def parts = params.genes
        ? channel.fromPath(params.genes, checkIfExists: true).map { list -> [[id: list.baseName], list] }
        : channel.fromList(params.contigs.tokenize(',')).map { contig -> [[id: contig, contig: contig], []] }

    def store = channel.value([])
    if (params.embed) {
        HAPLOSCRIBE_EMBED(cohort)
        store = HAPLOSCRIBE_EMBED.out.store
    }
    HAPLOSCRIBE_RUN(parts, cohort, store)
    HAPLOSCRIBE_COMBINE(HAPLOSCRIBE_RUN.out.results.map { _meta, results -> results }.collect())
    HAPLOSCRIBE_EXPORT_PREDICTDB(HAPLOSCRIBE_COMBINE.out.results, cohort)
    MULTIQC(HAPLOSCRIBE_RUN.out.multiqc.mix(HAPLOSCRIBE_COMBINE.out.multiqc).collect())
}
