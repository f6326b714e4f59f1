process HAPLOSCRIBE_EMBED {
    label 'process_high'

    input:
    tuple path(variants, stageAs: 'variants/*'), path(reference), path(index), path(expression), path(covariates)

    output:
    path 'embeddings.zarr', emit: store
    path 'versions.yml'   , emit: versions

    script:
    def args = task.ext.args ?: ''
    def corrected = covariates ? "--covariates $covariates" : ''
    """
    haploscribe embed $args \\
        --variants variants \\
        --reference $reference \\
        --expression $expression \\
        $corrected \\
        --store embeddings.zarr \\
        --jobs $task.cpus

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        haploscribe: \$(haploscribe --version | sed 's/.* //')
    END_VERSIONS
    """
}
