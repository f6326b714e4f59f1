process HAPLOSCRIBE_EXPORT_PREDICTDB {
    label 'process_high'

    input:
    path results
    tuple path(variants, stageAs: 'variants/*'), path(reference), path(index), path(expression), path(covariates)

    output:
    path "${prefix}.db"    , emit: weights
    path "${prefix}.txt.gz", emit: covariances
    path 'versions.yml'    , emit: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: 'weights'
    """
    haploscribe export predictdb $args \\
        --results $results \\
        --jobs $task.cpus \\
        --out ${prefix}.db

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        haploscribe: \$(haploscribe --version | sed 's/.* //')
    END_VERSIONS
    """
}
